/** Where a Python program died and of what. */
export interface LastTraceback {
  /** `mlx_lm/utils.py:225 in load`: the innermost frame. */
  readonly frame: string;
  /** `ValueError: …`, its first line. */
  readonly message: string;
}

const FRAME = /^\s+File "([^"]{1,1000})", line (\d+), in (.{1,200})$/;
const LONGEST_MESSAGE = 300;

/** The last Python traceback in what was written to stderr; null: none, or cut before it says why. */
export function lastTraceback(stderr: string): LastTraceback | null {
  const lines = stderr.split("\n");
  // Of a chain of exceptions the last is the one that was not caught.
  const start = lines.lastIndexOf("Traceback (most recent call last):");
  if (start === -1) return null;
  const body = lines.slice(start + 1);
  const end = body.findIndex((line) => line !== "" && !line.startsWith(" "));
  const frame = body.slice(0, Math.max(end, 0)).findLast((line) => FRAME.test(line));
  const [, file = "", line = "", name = ""] = frame?.match(FRAME) ?? [];
  const message = body[end]?.slice(0, LONGEST_MESSAGE);
  if (frame === undefined || message === undefined) return null;
  return { frame: `${file.split("/").slice(-2).join("/")}:${line} in ${name}`, message };
}
