import type { MessagePort } from "node:worker_threads";
import type { ModelSettings } from "../../../shared/config.ts";
import { type ErrorCode, LmxError } from "../../../shared/errors.ts";
import { packageFiles } from "../../host/package-files.ts";
import { type BodyToDecode, type DecodedBody, decodeBody } from "./decode-body.ts";

/** A body for this thread. */
export interface DecodeTask extends BodyToDecode {
  /** Of the service that asks. */
  readonly version: string;
  /** Asked for the settings of the model the body names. */
  readonly port: MessagePort;
}

/** Errors of ours lose their class between threads; anything else is thrown as it is. */
export type DecodeOutcome =
  | { readonly kind: "decoded"; readonly body: DecodedBody }
  | {
      readonly kind: "refused";
      readonly code: ErrorCode;
      readonly message: string;
      readonly param: string | null;
    }
  /** The other side knows why the model has no settings. */
  | { readonly kind: "no-settings" };

/** The answer to the name of a model. */
export type SettingsAnswer =
  | { readonly kind: "settings"; readonly settings: ModelSettings }
  | { readonly kind: "none" };

class NoSettings extends Error {}

/** Of this thread's program: an upgrade may have replaced the files since the service was started. */
const { version: VERSION } = packageFiles();

/**
 * Runs in a thread of the pool: decodes one body, however long that takes.
 * @throws Error when the service is of another version, which may read the outcome wrongly
 */
export async function decodeInThread({ port, version, ...task }: DecodeTask): Promise<DecodeOutcome> {
  if (version !== VERSION) throw new Error(`The files are of version ${VERSION}, the service of ${version}.`);
  try {
    return { kind: "decoded", body: await decodeBody(task, (model) => askForSettings(port, model)) };
  } catch (error) {
    if (error instanceof NoSettings) return { kind: "no-settings" };
    if (!(error instanceof LmxError)) throw error;
    return { kind: "refused", code: error.code, message: error.message, param: error.param };
  } finally {
    port.close();
  }
}

async function askForSettings(port: MessagePort, model: string): Promise<ModelSettings> {
  const { promise, resolve } = Promise.withResolvers<SettingsAnswer>();
  port.once("message", resolve);
  port.postMessage(model);
  const answer = await promise;
  if (answer.kind === "none") throw new NoSettings();
  return answer.settings;
}
