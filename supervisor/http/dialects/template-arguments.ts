import type { ModelSettings } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import type { ChatCompletionRequest } from "../../../shared/openai.ts";

/** Arguments the worker itself gives to the chat template. */
const RESERVED_TEMPLATE_ARGUMENTS = [
  "add_generation_prompt",
  "chat_template",
  "continue_final_message",
  "conversation",
  "documents",
  "max_length",
  "messages",
  "padding",
  "return_assistant_tokens_mask",
  "return_dict",
  "return_tensors",
  "tokenize",
  "tokenizer_kwargs",
  "tools",
  "truncation",
];

/** What the chat template is told: the model's configured arguments, then reasoning_effort, then the request's own. @throws LmxError */
export function decodeTemplateArguments(
  body: ChatCompletionRequest,
  configured: ModelSettings["chat_template_kwargs"],
): Record<string, unknown> {
  const given = body.chat_template_kwargs ?? {};
  const reserved = RESERVED_TEMPLATE_ARGUMENTS.find((name) => Object.hasOwn(given, name));
  if (reserved !== undefined) {
    const param = `chat_template_kwargs.${reserved}`;
    throw new LmxError(
      "unsupported_parameter",
      `${param}: this argument is set by the server; leave it out.`,
      { param },
    );
  }
  const effort = body.reasoning_effort == null ? {} : { reasoning_effort: body.reasoning_effort };
  return { ...configured, ...effort, ...given };
}
