import type { LmxError } from "../../../shared/errors.ts";

/** Of every answer that is a stream of events. */
export const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  // nginx would otherwise hold the events back.
  "x-accel-buffering": "no",
};

/** The end of every OpenAI stream, good or bad. */
export const DONE = "data: [DONE]\n\n";

/** A comment: readers of events skip it. */
export const KEEP_ALIVE = ": keep-alive\n\n";

/** One object as one event. */
export function frame(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** A failure after 200: an object of its own, then the end. */
export function failureFrames({ message, code }: LmxError): string {
  return frame({ error: { message, type: "server_error", param: null, code } }) + DONE;
}
