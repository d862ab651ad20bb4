import { type FileHandle, stat } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as wait } from "node:timers/promises";
import { openRegularFile } from "../host/regular-file.ts";

const POLL_MS = 300;

/** How much is read at once. Bytes. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Lines appended to a file after its first `from` bytes, for ever. The file need not be there yet. When another takes
 * its place, as happens to a log that is full, the rest of the old one comes first and then the new one.
 */
export async function* followLog(
  path: string,
  from: number,
  delay: (delayMs: number) => Promise<void> = async (delayMs) => await wait(delayMs),
): AsyncGenerator<string> {
  let handle = await openOrNull(path);
  let position = from;
  let rest = "";
  const decoder = new StringDecoder("utf8");
  const buffer = Buffer.alloc(CHUNK_BYTES);
  try {
    for (;;) {
      const { bytesRead = 0 } = (await handle?.read(buffer, 0, CHUNK_BYTES, position)) ?? {};
      if (bytesRead > 0) {
        position += bytesRead;
        const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split("\n");
        rest = lines.pop() ?? "";
        yield* lines.filter((line) => line !== "");
      } else if (await isReplaced(path, handle, position)) {
        await handle?.close();
        handle = await openOrNull(path);
        [position, rest] = [0, ""];
      } else {
        await delay(POLL_MS);
      }
    }
  } finally {
    await handle?.close();
  }
}

/** Another file has the name, or the same one was emptied. */
async function isReplaced(path: string, handle: FileHandle | null, position: number): Promise<boolean> {
  const named = await stat(path).catch(() => null);
  if (named === null) return false;
  const held = await handle?.stat();
  return held === undefined || named.ino !== held.ino || named.dev !== held.dev || named.size < position;
}

async function openOrNull(path: string): Promise<FileHandle | null> {
  return await openRegularFile(path).catch(() => null);
}
