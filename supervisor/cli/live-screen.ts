import type { CliInput, CliIo, CliOutput } from "./command.ts";
import { cutLine } from "./printable.ts";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** q, Q, Ctrl-C, Ctrl-D. */
const LEAVING_KEYS = ["q", "Q", "\u0003", "\u0004"];

/** A terminal drawn again and again in place, on a screen of its own, until the user leaves. */
export interface LiveScreen {
  /** Draws these lines, as far as they fit. */
  show(lines: readonly string[]): void;
  /** Resolves when the user pressed a key that leaves, or a signal asked to. */
  readonly left: Promise<void>;
  /** Gives the terminal back as it was. */
  close(): void;
}

export function openLiveScreen({ stdout, stdin }: Pick<CliIo, "stdout" | "stdin">): LiveScreen {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const stopListening = listenForLeaving(stdin, leave);
  stdout.write(ENTER);
  return {
    left,
    show: (lines) => stdout.write(HOME + fitted(lines, stdout).join("") + CLEAR_BELOW),
    close: () => {
      stopListening();
      stdout.write(LEAVE);
    },
  };
}

function listenForLeaving(stdin: CliInput | undefined, leave: () => void): () => void {
  const onKeys = (keys: Buffer | string) => {
    if (LEAVING_KEYS.some((key) => keys.toString().includes(key))) leave();
  };
  // In raw mode Ctrl-C is a key; signals still come from elsewhere, and the screen must be given back then too.
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, leave);
  stdin?.setRawMode?.(true);
  stdin?.on("data", onKeys);
  return () => {
    for (const signal of signals) process.off(signal, leave);
    stdin?.off("data", onKeys);
    stdin?.setRawMode?.(false);
    stdin?.pause();
  };
}

function fitted(lines: readonly string[], output: CliOutput): string[] {
  // A terminal that nobody told its size says zero.
  const [columns, rows] = [output.columns || 80, output.rows || 24];
  const room = rows - 1;
  const hidden = lines.length - room;
  const shown = hidden <= 0 ? lines : [...lines.slice(0, room - 1), `\u2026 ${hidden + 1} more lines`];
  return shown.map((line) => `${cutLine(line, columns)}${CLEAR_LINE}\r\n`);
}
