import type { ModelSettings } from "../../../shared/config.ts";
import type { GenerationEvent, GenerationRequest } from "../../../shared/generation.ts";
import type { EncodedRequest } from "../../workers/encoded-request.ts";
import type { ChoiceEvent } from "../streaming/choice-events.ts";
import type { StreamEncoder } from "../streaming/stream-encoder.ts";

/** A request for inference, decoded: every answer asked for is a generation of its own. */
export interface InferenceCall {
  /** As the client named it. */
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Whom the request is for, as its client says. */
  readonly user: string | null;
  /** Answers asked for, each of them a generation of its own. */
  readonly choices: number;
  /** So many neighbours among them share a prompt. */
  readonly choicesPerPrompt: number;
}

/** As a dialect decodes it: one request per choice, in the order of their index. */
export type Decoded<Call extends InferenceCall> = Call & { readonly requests: readonly GenerationRequest[] };

/** As the cluster is asked. */
export type Encoded<Call extends InferenceCall> = Call & { readonly requests: readonly EncodedRequest[] };

/** What every object of one answer repeats. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
}

/** One answer of several. */
export interface Choice {
  /** The prompt as text, when its request asked for it. */
  readonly promptText: string | null;
  /** Ends with `finish`. */
  readonly events: readonly GenerationEvent[];
}

/** How one API asks for text and how it is answered: pure functions around the neutral request and events. */
export interface Dialect<Body, Call extends InferenceCall> {
  /** What the id of an answer begins with. */
  readonly idPrefix: string;
  /**
   * @param settings what is configured for the model; the request's own options come on top
   * @param assignedSeed seed of a request that names none
   * @throws LmxError unsupported_parameter, invalid_request_error
   */
  decode(body: Body, settings: ModelSettings, assignedSeed: number): Decoded<Call>;
  /** The whole answer: one JSON object, in pieces none of which takes long to make. */
  encode(head: AnswerHead, call: Call, choices: readonly Choice[]): Iterable<string>;
  /** The answer as server-sent events. @param promptTexts by choice, null where not asked for */
  stream(head: AnswerHead, call: Call, promptTexts: readonly (string | null)[]): StreamEncoder<ChoiceEvent>;
}
