import { LmxError } from "../../../../shared/errors.ts";
import type { ChatCompletionRequest } from "../../../../shared/openai.ts";

/** An option the engine cannot do yet: refused where it would change the answer, ignored where it would not. */
interface UnsupportedOption {
  readonly field: keyof ChatCompletionRequest;
  /** What may be sent all the same, in words. */
  readonly accepted: string;
  /** Whether the request asks for nothing beyond what happens anyway. */
  readonly isNeutral: (request: ChatCompletionRequest) => boolean;
}

/** The one list of what Chat Completions refuses. An option that becomes supported leaves it and nothing else changes here. */
export const UNSUPPORTED_OPTIONS: readonly UnsupportedOption[] = [
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
