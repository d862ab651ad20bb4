import { ZodError } from "zod";
import { plainText } from "../../shared/plain-text.ts";

const MOST_CHARACTERS = 300;

/** What is wrong with a worker's answer: the first thing of it, because a compromised worker can make any number. */
export function describeShape(error: unknown): string {
  const first = error instanceof ZodError ? error.issues[0] : undefined;
  const problem =
    first === undefined ? String((error as Error).message) : `${first.path.join(".")}: ${first.message}`;
  return `The worker's answer has the wrong shape: ${plainText(problem, MOST_CHARACTERS)}`;
}
