import { LmxError } from "../../../../shared/errors.ts";
import type { ChatMessage, Tool } from "../../../../shared/generation.ts";
import type { ChatCompletionRequest } from "../../../../shared/openai.ts";

type OpenaiMessage = ChatCompletionRequest["messages"][number];
type OpenaiTool = NonNullable<ChatCompletionRequest["tools"]>[number];

/** OpenAI messages as neutral turns: developer is system, parts become one text. @throws LmxError */
export function decodeMessages(messages: readonly OpenaiMessage[]): ChatMessage[] {
  return messages.map((message, index) => decodeMessage(message, `messages.${index}`));
}

/** Function tools in the shape chat templates expect. @throws LmxError unsupported_parameter for any other kind. */
export function decodeTools(tools: readonly OpenaiTool[]): Tool[] {
  return tools.map((tool, index) => {
    const path = `tools.${index}`;
    if (tool.type !== "function")
      throw unsupported(`${path}.type`, "only tools of type function are supported");
    if (tool.function == null) throw invalid(`${path}.function`, "expected an object, got nothing");
    const { name, description, parameters } = tool.function;
    return {
      type: "function",
      function: {
        name,
        ...(description != null && { description }),
        ...(parameters != null && { parameters }),
      },
    };
  });
}

function decodeMessage(message: OpenaiMessage, path: string): ChatMessage {
  const reasoning = message.reasoning_content ?? message.reasoning;
  const decoded: ChatMessage = {
    role: message.role === "developer" ? "system" : message.role,
    content: decodeContent(message, path),
  };
  if (message.name != null) decoded.name = message.name;
  if (message.role === "tool" && message.tool_call_id != null) decoded.tool_call_id = message.tool_call_id;
  if (message.role !== "assistant") return decoded;
  if (reasoning != null) decoded.reasoning_content = reasoning;
  if (message.tool_calls != null && message.tool_calls.length > 0) {
    decoded.tool_calls = message.tool_calls.map((call, index) => {
      if (call.type != null && call.type !== "function")
        throw unsupported(`${path}.tool_calls.${index}.type`, "only function calls are supported");
      return { id: call.id, type: "function", function: call.function };
    });
  }
  return decoded;
}

function decodeContent({ role, content }: OpenaiMessage, path: string): string {
  if (typeof content === "string") return content;
  // An assistant turn may consist of tool calls or reasoning alone.
  if (content == null) {
    if (role === "assistant") return "";
    throw invalid(
      `${path}.content`,
      `expected a string or an array of parts, got ${content === null ? "null" : "nothing"}`,
    );
  }
  return content.map((part, index) => decodePart(part, `${path}.content.${index}`)).join("");
}

function decodePart(
  part: Exclude<OpenaiMessage["content"], string | null | undefined>[number],
  path: string,
): string {
  switch (part.type) {
    case "text":
      if (part.text == null) throw invalid(`${path}.text`, "expected a string, got nothing");
      return part.text;
    case "refusal":
      return part.refusal ?? "";
    case "image_url":
    case "input_audio":
    case "video_url":
    case "file":
      throw unsupported(
        `${path}.type`,
        `this server is text-only and cannot read ${part.type} parts; send text parts`,
      );
    default:
      throw invalid(`${path}.type`, 'expected "text"');
  }
}

function invalid(param: string, problem: string): LmxError {
  return new LmxError("invalid_request_error", `${param}: ${problem}.`, { param });
}

function unsupported(param: string, problem: string): LmxError {
  return new LmxError("unsupported_parameter", `${param}: ${problem}.`, { param });
}
