import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import type { CliInput, CliOutput } from "./command.ts";

/** The terminal marks pasted text for whoever asks, so that its line ends do not send it in pieces. */
const MARK_PASTES = "\u001b[?2004h";
const STOP_MARKING = "\u001b[?2004l";

const CONTINUED = "... ";

/** Reads messages from a terminal, with editing and history; what is typed during an answer waits unseen. */
export class LineReader {
  readonly #output: CliOutput;
  readonly #readline: Interface;
  readonly #queue: string[] = [];
  /** Earlier lines of a message that goes on. */
  #begun: string[] = [];
  #isPasting = false;
  #isMuted = false;
  #isClosed = false;
  #prompt = "";
  #deliver: ((message: string | null) => void) | null = null;
  #onInterrupt: (() => void) | null = null;

  constructor(input: CliInput, output: CliOutput, completions: readonly string[]) {
    this.#output = output;
    this.#readline = createInterface({
      input,
      output: this.#mutable(output),
      terminal: true,
      completer: (line: string) => [
        line === "" ? [] : completions.filter((name) => name.startsWith(line)),
        line,
      ],
    });
    this.#readline.on("line", (line) => this.#take(line));
    this.#readline.on("SIGINT", () => this.#interrupt());
    this.#readline.on("close", () => {
      this.#isClosed = true;
      this.#deliver?.(null);
    });
    input.on("keypress", (_, key: { readonly name?: string } | undefined) => {
      if (key?.name === "paste-start") this.#isPasting = true;
      if (key?.name === "paste-end") this.#isPasting = false;
    });
    output.write(MARK_PASTES);
  }

  /** The next message; null at the end of input, or when Ctrl-C is pressed with nothing typed. */
  async next(prompt: string): Promise<string | null> {
    this.#prompt = prompt;
    const waiting = this.#queue.shift();
    if (waiting !== undefined) {
      this.#output.write(`${prompt}${waiting}\n`);
      return waiting;
    }
    if (this.#isClosed) return null;
    this.#readline.setPrompt(this.#begun.length === 0 ? prompt : CONTINUED);
    this.#readline.prompt(true);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#deliver = resolve;
    return await promise.finally(() => {
      this.#deliver = null;
    });
  }

  /** Does something that writes to the terminal; keys are not echoed meanwhile, and Ctrl-C calls `onInterrupt`. */
  async during<T>(onInterrupt: () => void, work: () => Promise<T>): Promise<T> {
    this.#isMuted = true;
    this.#onInterrupt = onInterrupt;
    try {
      return await work();
    } finally {
      this.#isMuted = false;
      this.#onInterrupt = null;
    }
  }

  close(): void {
    this.#readline.close();
    this.#output.write(STOP_MARKING);
  }

  #take(line: string): void {
    const goesOn = this.#isPasting || line.endsWith("\\");
    this.#begun.push(!this.#isPasting && goesOn ? line.slice(0, -1) : line);
    if (goesOn) {
      this.#readline.setPrompt(CONTINUED);
      this.#readline.prompt();
      return;
    }
    const message = this.#begun.join("\n");
    this.#begun = [];
    if (this.#deliver === null) this.#queue.push(message);
    else this.#deliver(message);
  }

  #interrupt(): void {
    if (this.#onInterrupt !== null) this.#onInterrupt();
    else if (this.#readline.line === "" && this.#begun.length === 0) this.#deliver?.(null);
    else this.#giveUpLine();
  }

  /** As in a shell. */
  #giveUpLine(): void {
    this.#begun = [];
    this.#readline.write(null, { ctrl: true, name: "e" });
    this.#readline.write(null, { ctrl: true, name: "u" });
    this.#readline.setPrompt(this.#prompt);
    this.#output.write("\n");
    this.#readline.prompt();
  }

  /** The output as readline sees it: silent while an answer is written. */
  #mutable(output: CliOutput): Writable {
    const writable = new Writable({
      decodeStrings: false,
      write: (chunk: string | Buffer, _encoding, done) => {
        if (!this.#isMuted) output.write(chunk.toString());
        done();
      },
    });
    return Object.defineProperty(writable, "columns", { get: () => output.columns });
  }
}
