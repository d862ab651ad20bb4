import { StringDecoder } from "node:string_decoder";

/** A longer line is cut into pieces of this length. Characters. */
const LONGEST_LINE = 8 * 1024;

/** Cuts what a process writes into lines, whatever its pieces are. */
export class StderrLines {
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  push(chunk: Buffer): string[] {
    const lines = (this.#rest + this.#decoder.write(chunk)).split(/\r?\n|\r/);
    this.#rest = lines.pop() ?? "";
    while (this.#rest.length > LONGEST_LINE) {
      lines.push(this.#rest.slice(0, LONGEST_LINE));
      this.#rest = this.#rest.slice(LONGEST_LINE);
    }
    return lines.flatMap(pieces);
  }

  /** What had no line's end. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = "";
    return pieces(rest);
  }
}

function pieces(line: string): string[] {
  const cut: string[] = [];
  for (let at = 0; at < line.length; at += LONGEST_LINE) cut.push(line.slice(at, at + LONGEST_LINE));
  return cut;
}
