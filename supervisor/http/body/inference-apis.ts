import { chatCompletionRequestSchema } from "../../../shared/openai.ts";
import { completionRequestSchema } from "../../../shared/openai-completions.ts";
import { chatCompletions } from "../dialects/openai/chat-completions.ts";
import { completions } from "../dialects/openai/completions.ts";

/** Every API that asks for text: the shape of its bodies and its dialect. By name, so that another thread can be told which. */
export const INFERENCE_APIS = {
  "chat-completions": { schema: chatCompletionRequestSchema, dialect: chatCompletions },
  completions: { schema: completionRequestSchema, dialect: completions },
} as const;

export type InferenceApi = keyof typeof INFERENCE_APIS;

/** A request of this API, without what the cluster is asked for. */
export type CallOf<Api extends InferenceApi> = Omit<
  ReturnType<(typeof INFERENCE_APIS)[Api]["dialect"]["decode"]>,
  "requests"
>;
