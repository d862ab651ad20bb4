import { type BodyLimits, BodyMeter, checkDeclaredLength } from "./body-limits.ts";
import { GatheredBytes } from "./gathered-bytes.ts";
import { ReadingTurns } from "./reading-turns.ts";
import type { RequestShare } from "./request-memory.ts";
import { type UploadPace, watchUpload } from "./upload-pace.ts";

/** A body's bytes, and how many JSON values they hold. */
export interface ReadBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly values: number;
}

/** What watches a body while it comes. */
export interface UploadGuards {
  /** Is told of every byte that has come, and may take their room back. */
  readonly share?: RequestShare | undefined;
  readonly pace?: UploadPace | undefined;
  /** Whose it is: owners take turns. */
  readonly owner?: string | undefined;
}

/** Of all bodies of the process: there is one event loop. */
const turns = new ReadingTurns();

/**
 * Reads a request body, giving up the moment it is over a limit: from its declared length before a byte is read, else
 * while it arrives. The rest is left unread; the listener discards it after the answer.
 * @throws LmxError request_too_large, request_timeout, rate_limit_exceeded, invalid_request_error
 */
export async function readBody(
  request: Request,
  limits: BodyLimits,
  { share, pace, owner = "" }: UploadGuards = {},
): Promise<ReadBody> {
  checkDeclaredLength(Number(request.headers.get("content-length") ?? 0), limits);
  if (request.body === null) return { bytes: new Uint8Array(), values: 0 };
  const meter = new BodyMeter(limits);
  const gathered = new GatheredBytes();
  const givenUp = Promise.withResolvers<never>();
  let isOver = false;
  share?.arriving(givenUp.reject);
  const endWatch = pace && watchUpload(pace, () => gathered.length, givenUp.reject);
  try {
    // One race for the whole body: one for each piece would leave a trace of each at the promise that never settles.
    await Promise.race([pump(request.body, owner, take), givenUp.promise]);
    return { bytes: gathered.joined(), values: meter.values };
  } finally {
    isOver = true;
    endWatch?.();
    share?.arrived();
  }

  function take(piece: Uint8Array): boolean {
    if (isOver) return false;
    meter.feed(piece);
    share?.add(piece.byteLength);
    gathered.push(piece);
    return true;
  }
}

/** Reads until the end, or until a piece is not wanted any more. */
async function pump(
  body: ReadableStream<Uint8Array>,
  owner: string,
  take: (piece: Uint8Array) => boolean,
): Promise<void> {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    await turns.next(owner);
    if (!take(value)) return;
  }
}
