import type { CliOutput } from "./command.ts";
import { printableLines } from "./printable.ts";
import type { ChatPiece } from "./stream-chat.ts";
import type { Styles } from "./styles.ts";

/** What came of one answer. */
export interface Answer {
  readonly content: string;
  readonly reasoning: string;
}

/** Writes an answer as it comes: reasoning dim, then the text, each from the beginning of a line. */
export class AnswerWriter {
  readonly #output: CliOutput;
  readonly #styles: Styles;
  readonly #showsReasoning: boolean;
  #content = "";
  #reasoning = "";

  constructor(output: CliOutput, styles: Styles, showsReasoning: boolean) {
    this.#output = output;
    this.#styles = styles;
    this.#showsReasoning = showsReasoning;
  }

  get answer(): Answer {
    return { content: this.#content, reasoning: this.#reasoning };
  }

  write(piece: Extract<ChatPiece, { readonly text: string }>): void {
    // White space between reasoning and answer is the template's, not the answer's.
    const isFirst = piece.kind === "text" ? this.#content === "" : this.#reasoning === "";
    const text = isFirst ? piece.text.trimStart() : piece.text;
    if (text === "") return;
    if (piece.kind === "reasoning") {
      this.#reasoning += text;
      if (this.#showsReasoning) this.#output.write(this.#styles.dim(printableLines(text)));
      return;
    }
    if (isFirst && this.#showsReasoning && this.#reasoning !== "") {
      this.#output.write(`${lineEnd(this.#reasoning)}\n`);
    }
    this.#content += text;
    this.#output.write(printableLines(text));
  }

  /** Ends the line the answer stands on. */
  end(): void {
    const last = this.#content !== "" || !this.#showsReasoning ? this.#content : this.#reasoning;
    this.#output.write(lineEnd(last));
  }
}

function lineEnd(text: string): string {
  return text === "" || text.endsWith("\n") ? "" : "\n";
}
