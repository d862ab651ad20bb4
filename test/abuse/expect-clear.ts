import { expect } from "vitest";
import type { Bomb } from "./bombs.ts";
import type { Reply } from "./send.ts";

/** What a client may be told about a request that is too much: nothing is wrong with the service. */
const CLEAR_STATUSES = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431];
/** Longer messages are an echo of the request. */
const MESSAGE_CHARACTERS = 2_048;
const ANSWER_BYTES = 8 * 1024;
/** An index of an element is no limit. */
const LIMIT = /(?:than|the|most|≤|<|=) ?\d+/;

interface Answered {
  readonly attack: Bomb;
  readonly reply: Reply;
}

/** Every answer is a clear refusal, or the request was served. */
export function expectClear(answered: readonly Answered[]): void {
  expectNone(answered, ({ reply }) => (reply.status === 200 ? null : unclear(reply)));
}

/** Every answer is a refusal that names the field and the limit. */
export function expectLimit(answered: readonly Answered[]): void {
  expectNone(answered, ({ attack: { field }, reply }) => {
    const { status, code, param, message } = reply;
    if (status === 200) return "served";
    const namesField = field === null || param?.startsWith(field) === true || message.includes(field);
    // The whole body is over its limit, or the room for bodies is full: no field is to blame.
    const isWhole = code === "request_too_large" || code === "rate_limit_exceeded";
    return unclear(reply) ?? (LIMIT.test(message) && (namesField || isWhole) ? null : `no limit of ${field}`);
  });
}

function expectNone(answered: readonly Answered[], problemOf: (one: Answered) => string | null): void {
  expect(answered.length).toBeGreaterThan(0);
  const problems = answered.flatMap((one) => {
    const problem = problemOf(one);
    const { status, code, message } = one.reply;
    return problem === null
      ? []
      : [`${one.attack.name}: ${problem}: ${status} ${code} ${message.slice(0, 200)}`];
  });
  expect(problems).toEqual([]);
}

function unclear({ status, code, message, bytes }: Reply): string | null {
  if (!CLEAR_STATUSES.includes(status) || code === null || message === "") return "no clear refusal";
  if (message.length > MESSAGE_CHARACTERS || bytes > ANSWER_BYTES) return `an answer of ${bytes} bytes`;
  return null;
}
