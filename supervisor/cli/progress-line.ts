import type { CliIo } from "./command.ts";

/** Progress that stays on one line. */
export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

/** One line on a terminal that overwrites itself; nothing anywhere else. */
export function progressLine(io: CliIo): ProgressLine {
  let shown = false;
  return {
    show: (text) => {
      if (!io.isTTY) return;
      io.stderr.write(`\r\u001b[2K${text}`);
      shown = true;
    },
    clear: () => {
      if (shown) io.stderr.write("\r\u001b[2K");
    },
  };
}
