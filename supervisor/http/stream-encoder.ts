import type { LmxError } from "../../shared/errors.ts";
import type { GenerationEvent } from "../../shared/generation.ts";

/** How one dialect says a streamed answer. Each result is the text of one write; an empty one writes nothing. */
export interface StreamEncoder {
  /** Said as soon as the status is 200. */
  open(): string;
  /** After `finish` it includes everything the dialect ends with. */
  event(event: GenerationEvent): string;
  /** A failure after 200, with the dialect's end: a bare end of file would read as success. */
  fail(error: LmxError): string;
  /** Said into a silence; no part of the answer. */
  keepAlive(): string;
}
