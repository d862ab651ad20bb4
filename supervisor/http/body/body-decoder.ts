import { MessageChannel } from "node:worker_threads";
import type { ModelSettings } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import type { Encoded } from "../dialects/dialect.ts";
import { type BodyToDecode, type DecodedBody, decodeBody, type FindSettings } from "./decode-body.ts";
import { DecodePool } from "./decode-pool.ts";
import type { SettingsAnswer } from "./decode-thread.ts";
import type { CallOf, InferenceApi } from "./inference-apis.ts";
import type { ReadBody } from "./read-body.ts";

/** How much of a body may be decoded on the event loop. */
export interface InlineLimits {
  readonly bytes: number;
  readonly values: number;
}

/**
 * Below 20 ms there: `npm run bench -- --only small-body-hold`. Everything else goes to another thread, where
 * `large-body-hold` is what reading it takes.
 */
export const INLINE_LIMITS: InlineLimits = { bytes: 256 * 1024, values: 5_000 };

export interface DecodeOptions {
  /** Seed of a request that names none. */
  readonly assignedSeed: number;
  /** Whose body it is: owners take turns at the threads. */
  readonly owner: string;
  readonly findSettings: FindSettings;
}

/** Decodes inference bodies: small ones at once, large ones in a thread, so that nobody's body stops the event loop. */
export class BodyDecoder {
  readonly #inline: InlineLimits;
  readonly #pool: DecodePool;

  constructor(inline: InlineLimits = INLINE_LIMITS, pool = new DecodePool()) {
    this.#inline = inline;
    this.#pool = pool;
  }

  /** @throws LmxError invalid_request_error, unsupported_parameter, rate_limit_exceeded, or what `findSettings` throws */
  async decode<Api extends InferenceApi>(
    api: Api,
    { bytes, values }: ReadBody,
    { assignedSeed, owner, findSettings }: DecodeOptions,
  ): Promise<Encoded<CallOf<Api>>> {
    const body = { api, bytes, assignedSeed };
    const isSmall = bytes.byteLength <= this.#inline.bytes && values <= this.#inline.values;
    const decoded = isSmall
      ? await decodeBody(body, findSettings)
      : await this.#decodeInThread(body, owner, findSettings);
    // The call is of the API's own dialect, which `decodeBody` chose by the same name.
    return assemble(decoded) as unknown as Encoded<CallOf<Api>>;
  }

  /** Ends the threads; what they had is refused. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  async #decodeInThread(body: BodyToDecode, owner: string, findSettings: FindSettings): Promise<DecodedBody> {
    const { port1: port, port2 } = new MessageChannel();
    let problem: unknown;
    port.once("message", async (model: string) => {
      const answer = await findSettings(model).then(found, (error: unknown) => {
        problem = error;
        return NO_SETTINGS;
      });
      port.postMessage(answer);
    });
    try {
      const outcome = await this.#pool.run({ ...body, port: port2 }, owner);
      if (outcome.kind === "decoded") return outcome.body;
      if (outcome.kind === "no-settings") throw problem;
      throw new LmxError(
        outcome.code,
        outcome.message,
        outcome.param === null ? {} : { param: outcome.param },
      );
    } finally {
      port.close();
    }
  }
}

const NO_SETTINGS: SettingsAnswer = { kind: "none" };

function found(settings: ModelSettings): SettingsAnswer {
  return { kind: "settings", settings };
}

function assemble({ call, prompts, requests }: DecodedBody) {
  return {
    ...call,
    requests: requests.flatMap(({ prompt, options }) => {
      const encoded = prompts[prompt];
      return encoded === undefined ? [] : [{ ...options, prompt: encoded }];
    }),
  };
}
