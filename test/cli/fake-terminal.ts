import { PassThrough } from "node:stream";
import type { CliInput, CliOutput } from "../../supervisor/cli/command.ts";

/** A terminal with a keyboard to type on and a screen to wait for. */
export class FakeTerminal {
  readonly stdin: CliInput & PassThrough;
  readonly stdout: CliOutput;
  /** Everything written. */
  shown = "";
  isRaw = false;
  #seen = 0;
  #onWrite: () => void = () => {};

  constructor(size: { readonly columns?: number; readonly rows?: number } = {}) {
    const setRawMode = (on: boolean) => {
      this.isRaw = on;
    };
    this.stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
    this.stdout = {
      isTTY: true,
      columns: 80,
      rows: 24,
      ...size,
      write: (text) => {
        this.shown += text;
        this.#onWrite();
      },
    };
  }

  type(keys: string): void {
    this.stdin.write(keys);
  }

  /** Waits until this was written after what earlier calls waited for. */
  async shows(text: string): Promise<void> {
    for (;;) {
      const at = this.shown.indexOf(text, this.#seen);
      if (at >= 0) {
        this.#seen = at + text.length;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#onWrite = resolve;
      });
    }
  }
}
