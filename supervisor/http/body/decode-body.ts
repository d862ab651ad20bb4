import type { z } from "zod";
import type { ModelSettings } from "../../../shared/config.ts";
import type { GenerationRequest, Prompt } from "../../../shared/generation.ts";
import { type EncodedPrompt, encodePrompt } from "../../workers/encoded-request.ts";
import type { Dialect, InferenceCall } from "../dialects/dialect.ts";
import { INFERENCE_APIS, type InferenceApi } from "./inference-apis.ts";
import { parseJson } from "./parse-json.ts";
import { validationError } from "./validation-error.ts";

/** One inference body to be understood. */
export interface BodyToDecode {
  readonly api: InferenceApi;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Seed of a request that names none. */
  readonly assignedSeed: number;
}

/** What is configured for a model the body names. @throws LmxError model_not_found */
export type FindSettings = (model: string) => Promise<ModelSettings>;

/** A decoded body: plain values but for the prompts, which are written once however many choices share them. */
export interface DecodedBody {
  /** The dialect's call; its requests are below. */
  readonly call: InferenceCall;
  readonly prompts: readonly EncodedPrompt[];
  readonly requests: readonly {
    /** Index in `prompts`. */
    readonly prompt: number;
    readonly options: Omit<GenerationRequest, "prompt">;
  }[];
}

/**
 * Bytes of an inference body to what the cluster is asked for. The parsed body is garbage when this returns: what is
 * kept are the prompts' bytes.
 * @throws LmxError invalid_request_error, unsupported_parameter, model_not_found
 */
export async function decodeBody(body: BodyToDecode, findSettings: FindSettings): Promise<DecodedBody> {
  // Each schema fits its own dialect; here, where either may come, the compiler cannot see that.
  const { schema, dialect } = INFERENCE_APIS[body.api] as {
    schema: z.ZodType<{ model: string }>;
    dialect: Dialect<{ model: string }, InferenceCall>;
  };
  const value = parseJson(body.bytes);
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw validationError(parsed.error, value);
  const settings = await findSettings(parsed.data.model);
  const { requests, ...call } = dialect.decode(parsed.data, settings, body.assignedSeed);
  return { call, ...sharePrompts(requests) };
}

function sharePrompts(requests: readonly GenerationRequest[]): Pick<DecodedBody, "prompts" | "requests"> {
  const distinct = new Map<Prompt, number>();
  const prompts: EncodedPrompt[] = [];
  const encoded = requests.map(({ prompt, ...options }) => {
    const index = distinct.get(prompt) ?? prompts.push(encodePrompt(prompt)) - 1;
    distinct.set(prompt, index);
    return { prompt: index, options };
  });
  return { prompts, requests: encoded };
}
