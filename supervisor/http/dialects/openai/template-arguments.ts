import type { ModelSettings } from "../../../../shared/config.ts";
import { LmxError } from "../../../../shared/errors.ts";
import type { ChatCompletionRequest } from "../../../../shared/openai.ts";

/**
 * Names that are the server's: arguments of the call that renders a template, and functions that templates call. The
 * worker holds the same list (`RESERVED_TEMPLATE_ARGUMENTS` of worker/lmx_worker/prompt/prompt.py).
 */
export const RESERVED_TEMPLATE_ARGUMENTS = [
  "add_generation_prompt",
  "chat_template",
  "continue_final_message",
  "conversation",
  "conversations",
  "cycler",
  "dict",
  "documents",
  "joiner",
  "lipsum",
  "max_length",
  "messages",
  "namespace",
  "padding",
  "raise_exception",
  "range",
  "return_assistant_tokens_mask",
  "return_dict",
  "return_tensors",
  "sanitize_control_tokens",
  "self",
  "strftime_now",
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
