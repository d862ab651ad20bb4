import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A test that stands in the sources as a call with its row's id and its name as texts. */
export interface RowCall {
  /** Name of the function that is called. */
  readonly call: string;
  /** Its texts: the id first, the name of the test last. */
  readonly texts: readonly string[];
  /** From the root of the repository. */
  readonly file: string;
}

const ROOT = join(import.meta.dirname, "../..");
const TEXT = /"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`/;

/** Every call of these functions in the test files of a directory, in the order of the files. */
export function rowCallsIn(directory: string, functions: readonly string[], texts: number): RowCall[] {
  const text = `(?:${TEXT.source})`;
  const list = Array(texts).fill(text).join(",\\s*");
  const pattern = new RegExp(`\\b(${functions.join("|")})\\(\\s*${list}`, "g");
  return readdirSync(join(ROOT, directory))
    .filter((name) => name.endsWith(".test.ts"))
    .flatMap((name) => {
      const file = `${directory}/${name}`;
      const source = readFileSync(join(ROOT, file), "utf8");
      return [...source.matchAll(pattern)].map(([, call = "", ...found]) => ({
        call,
        texts: found.filter((one) => one !== undefined).map(unescaped),
        file,
      }));
    });
}

/** A template stands for several tests. */
function unescaped(text: string): string {
  return text.replaceAll(/\$\{(\w+)\}/g, "($1)").replaceAll('\\"', '"');
}
