import { LmxError } from "../../../shared/errors.ts";
import type { ChatCompletionRequest } from "../../../shared/openai.ts";

/** An option the engine cannot do yet: refused where it would change the answer, ignored where it would not. */
interface UnsupportedOption {
  readonly field: keyof ChatCompletionRequest;
  /** What may be sent all the same, in words. */
  readonly accepted: string;
  /** Whether the request asks for nothing beyond what happens anyway. */
  readonly isNeutral: (request: ChatCompletionRequest) => boolean;
}

/** The one list of what is refused. An option that becomes supported leaves it and nothing else changes here. */
const UNSUPPORTED_OPTIONS: readonly UnsupportedOption[] = [
  { field: "n", accepted: "1", isNeutral: ({ n }) => isOneOf(n, 1) },
  {
    field: "stop",
    accepted: "[]",
    isNeutral: ({ stop }) => [stop ?? []].flat().every((text) => text === ""),
  },
  { field: "top_k", accepted: "0", isNeutral: ({ top_k }) => isOneOf(top_k, 0, -1) },
  { field: "min_p", accepted: "0", isNeutral: ({ min_p }) => isOneOf(min_p, 0) },
  {
    field: "repetition_penalty",
    accepted: "1",
    isNeutral: ({ repetition_penalty }) => isOneOf(repetition_penalty, 1),
  },
  {
    field: "presence_penalty",
    accepted: "0",
    isNeutral: ({ presence_penalty }) => isOneOf(presence_penalty, 0),
  },
  {
    field: "frequency_penalty",
    accepted: "0",
    isNeutral: ({ frequency_penalty }) => isOneOf(frequency_penalty, 0),
  },
  {
    field: "logit_bias",
    accepted: "{}",
    isNeutral: ({ logit_bias }) => Object.values(logit_bias ?? {}).every((bias) => bias === 0),
  },
  { field: "logprobs", accepted: "false", isNeutral: ({ logprobs }) => isOneOf(logprobs, false) },
  { field: "top_logprobs", accepted: "0", isNeutral: ({ top_logprobs }) => isOneOf(top_logprobs, 0) },
  {
    field: "response_format",
    accepted: '{"type": "text"}',
    isNeutral: ({ response_format }) => isOneOf(response_format?.type, "text"),
  },
  {
    field: "tool_choice",
    accepted: '"auto" or "none"',
    isNeutral: ({ tool_choice }) => isOneOf(tool_choice, "auto", "none"),
  },
  {
    field: "parallel_tool_calls",
    accepted: "true",
    isNeutral: ({ parallel_tool_calls, tools }) =>
      isOneOf(parallel_tool_calls, true) || (tools ?? []).length === 0,
  },
  {
    field: "functions",
    accepted: "tools instead",
    isNeutral: ({ functions }) => (functions ?? []).length === 0,
  },
  {
    field: "function_call",
    accepted: "tool_choice instead",
    isNeutral: ({ function_call }) => isOneOf(function_call, "auto", "none"),
  },
  {
    field: "modalities",
    accepted: '["text"]',
    isNeutral: ({ modalities }) => (modalities ?? []).every((kind) => kind === "text"),
  },
  { field: "audio", accepted: "null", isNeutral: ({ audio }) => isOneOf(audio) },
  {
    field: "web_search_options",
    accepted: "null",
    isNeutral: ({ web_search_options }) => isOneOf(web_search_options),
  },
];

/** @throws LmxError unsupported_parameter for the first option that this server would have to ignore wrongly. */
export function refuseUnsupportedOptions(request: ChatCompletionRequest): void {
  const refused = UNSUPPORTED_OPTIONS.find((option) => !option.isNeutral(request));
  if (refused === undefined) return;
  const message = `${refused.field}: this server cannot do what was asked for; omit it or send ${refused.accepted}.`;
  throw new LmxError("unsupported_parameter", message, { param: refused.field });
}

/** Absent counts as neutral always. */
function isOneOf(value: unknown, ...neutral: readonly unknown[]): boolean {
  return value === undefined || value === null || neutral.includes(value);
}
