import { StringDecoder } from "node:string_decoder";

/** A longer line is cut into pieces of this length. Characters. */
const LONGEST_LINE = 8 * 1024;

/** What has no gap for longer than this is no word. Characters. */
const LONGEST_WORD = 512;

/** Cuts what a process writes into lines, whatever its pieces are. */
export class StderrLines {
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  push(chunk: Buffer): string[] {
    const lines = (this.#rest + this.#decoder.write(chunk)).split(/\r?\n|\r/);
    this.#rest = lines.pop() ?? "";
    const whole = lines.flatMap(pieces);
    if (this.#rest.length <= LONGEST_LINE) return whole;
    const begun = pieces(this.#rest);
    this.#rest = begun.pop() ?? "";
    return [...whole, ...begun];
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
  for (let at = 0; at < line.length; ) {
    const end = at + pieceLength(line.slice(at, at + LONGEST_LINE + 1));
    cut.push(line.slice(at, end));
    at = end;
  }
  return cut;
}

/** Before the word at the end, if there is one: half of a key is not found any more by those who cut keys out. */
function pieceLength(text: string): number {
  if (text.length <= LONGEST_LINE) return text.length;
  let end = LONGEST_LINE;
  while (end > LONGEST_LINE - LONGEST_WORD && /[\w+/.=~-]/.test(text.charAt(end - 1))) end -= 1;
  return end > LONGEST_LINE - LONGEST_WORD ? end : LONGEST_LINE;
}
