import type { ModelSettings } from "../../../../shared/config.ts";
import { LmxError } from "../../../../shared/errors.ts";
import type { GenerationRequest, Sampling } from "../../../../shared/generation.ts";
import { type GenerationOptions, MAX_CHOICES_PER_PROMPT } from "../../../../shared/openai-options.ts";

/** Below this only the likeliest token is left in any vocabulary: the same as greedy, without its rounding. */
const GREEDY_TOP_P = 1e-6;

/** Of `logit_bias` for all answers together: the worker is told all of it for each, which took 3 s for 2.5 million. */
const MAX_BIASES = 40_000;

/** Values that mean "off": an option at its own is not passed on, so that the engine does nothing for it. */
const OFF: Partial<Sampling> = {
  top_k: 0,
  min_p: 0,
  xtc_probability: 0,
  repetition_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
};

/** The request's sampling options on top of the model's configured ones. @param assignedSeed for a request that names none */
export function decodeSampling(
  body: GenerationOptions,
  configured: ModelSettings["sampling"],
  assignedSeed: number,
): Sampling {
  const merged = { ...withoutNulls(configured ?? {}), ...withoutNulls(samplingOf(body)) };
  const { temperature = 1, top_p: topP = 1 } = merged;
  const greedy = topP < GREEDY_TOP_P;
  return {
    ...withoutOff(merged),
    temperature: greedy ? 0 : temperature,
    top_p: greedy ? 1 : topP,
    seed: body.seed == null ? assignedSeed : decodeSeed(body.seed),
  };
}

/** Texts that end the answer; clients fill unused places with empty ones. */
export function decodeStop({ stop }: GenerationOptions): Pick<GenerationRequest, "stop"> {
  const texts = [stop ?? []].flat().filter((text) => text !== "");
  return texts.length === 0 ? {} : { stop: texts };
}

/** The request once per answer, each with a seed of its own. */
export function repeatForChoices(request: GenerationRequest, { n }: GenerationOptions): GenerationRequest[] {
  const count = Math.min(n ?? 1, MAX_CHOICES_PER_PROMPT);
  return Array.from({ length: count }, (_, index) => {
    const seed = Number(BigInt.asUintN(53, BigInt(request.sampling.seed) + BigInt(index)));
    return { ...request, sampling: { ...request.sampling, seed } };
  });
}

/** @throws LmxError invalid_request_error when what all answers are to be told is too much */
export function checkBiases({ logit_bias: bias }: GenerationOptions, answers: number): void {
  const biases = Object.keys(bias ?? {}).length * answers;
  if (biases <= MAX_BIASES) return;
  const problem = `logit_bias: ${biases} token ids for ${answers} answers together; at most ${MAX_BIASES} at once. Ask for fewer answers, or bias fewer tokens.`;
  throw new LmxError("invalid_request_error", problem, { param: "logit_bias" });
}

function samplingOf(body: GenerationOptions) {
  return {
    temperature: body.temperature,
    top_p: body.top_p,
    top_k: body.top_k == null ? null : Math.max(body.top_k, 0),
    min_p: body.min_p,
    xtc_probability: body.xtc_probability,
    xtc_threshold: body.xtc_threshold,
    repetition_penalty: body.repetition_penalty,
    repetition_context_size: body.repetition_context_size,
    presence_penalty: body.presence_penalty,
    frequency_penalty: body.frequency_penalty,
    logit_bias: body.logit_bias,
  };
}

type Present<Options> = { [Name in keyof Options]?: NonNullable<Options[Name]> };

/** Null and absent mean the same to every client. */
function withoutNulls<Options extends object>(options: Options): Present<Options> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null)) as Present<Options>;
}

function withoutOff(options: Partial<Sampling>): Partial<Sampling> {
  const isOn = ([name, value]: [string, unknown]) => value !== OFF[name as keyof Sampling];
  const { logit_bias: bias = {}, ...on } = Object.fromEntries(
    Object.entries(options).filter(isOn),
  ) as Partial<Sampling>;
  return Object.keys(bias).length === 0 ? on : { ...on, logit_bias: bias };
}

/** Any 64-bit seed, negative ones too, as one the worker takes; the same seed always gives the same one. */
function decodeSeed(seed: number): number {
  return Number(BigInt.asUintN(53, BigInt(seed)));
}
