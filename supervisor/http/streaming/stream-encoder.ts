import type { LmxError } from "../../../shared/errors.ts";

/** How one dialect says a streamed answer. Each result is the text of one write; an empty one writes nothing. */
export interface StreamEncoder<Event> {
  /** Said as soon as the status is 200. */
  open(): string;
  event(event: Event): string;
  /** Everything the dialect ends with, after the last event. */
  close(): string;
  /** A failure after 200, with the dialect's end: a bare end of file would read as success. */
  fail(error: LmxError): string;
  /** Said into a silence; no part of the answer. */
  keepAlive(): string;
}
