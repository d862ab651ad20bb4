/** The abuse suite: what anybody may send, and what must come of it. */
export const ABUSE_MATRIX = {
  B1: {
    abuse:
      "`messages` of numbers, nulls, strings, empty or nested objects and arrays, as many as fit into a body",
    expected: "400 or 413 that names `messages` and the limit",
  },
  B2: {
    abuse: "valid conversations of very many messages, parts and tool calls",
    expected: "400 or 413 that names the field and the limit",
  },
  B3: {
    abuse: "`tools` with huge schemas, a huge `response_format` or `tool_choice`",
    expected: "400 or 413 that names the field and the limit",
  },
  B4: {
    abuse: "`stop`, `logit_bias` and `chat_template_kwargs` of every kind of element",
    expected: "400 or 413 that names the field and the limit",
  },
  B5: {
    abuse: "`prompt` lists of short strings, token ids, lists of token ids, numbers that are none",
    expected: "400 or 413 that names `prompt` and the limit",
  },
  B6: {
    abuse: "fields nobody knows, with values of every kind",
    expected: "dropped, or 400 or 413 that names the limit",
  },
  B7: {
    abuse: "nesting a million deep, in a known and in an unknown field",
    expected: "400 that names the limit",
  },
  B8: {
    abuse:
      "one huge string in each text field, plain, of escapes and of wide characters; numbers of a million digits",
    expected: "400 or 413 that names the field or the limit, or served",
  },
  B9: {
    abuse:
      "a field given a thousand times, `__proto__`, bytes that are no UTF-8, NUL, halves of characters, no JSON at all",
    expected: "400, or served as if it were not there",
  },
  B10: {
    abuse: "the same bodies in chunks without a length, with a length that is too long, compressed",
    expected: "the same answers; 413 for the length, 415 for the compression",
  },
  B11: {
    abuse: "the same bodies to every path of `/admin` that takes one",
    expected: "400 or 413 that names the limit",
  },
  B12: {
    abuse: "eight of the largest bodies that are read, at once, again and again",
    expected: "400, 413 or 429, nothing lost",
  },
  B13: {
    abuse: "bodies that a seed makes up: any field, any nesting, any mix of elements",
    expected: "a clear 4xx, or served",
  },
  T1: {
    abuse:
      "conversations, tools and template arguments that are dear to render, just within what a body may hold",
    expected:
      "a request error or an answer; another client of the same model is answered meanwhile; the worker keeps its memory",
  },
  K1: {
    abuse: "a worker that was taken over: 7 MB as a name, an id or arguments, in every event",
    expected:
      "its requests end once; the rest is rows P10, P12 and W22 of the [fault matrix](fault-matrix.md)",
  },
  K2: {
    abuse: "a worker that was taken over: lines of 8 MB that would become gigabytes",
    expected: "its requests end once; the rest is row P11 of the [fault matrix](fault-matrix.md)",
  },
  F1: {
    abuse: "15 MiB of each kind of element in the place of a model's JSON files, four probes at once",
    expected: "each probe has a verdict; what the supervisor reads itself is refused",
  },
  F2: {
    abuse: "pipes and devices in the place of a model's files, four probes at once",
    expected: "each probe refuses, and says why",
  },
  C1: {
    abuse: "bodies that are begun and never finished, as large as may be",
    expected: "the other client is served; each of them ends with 408 or gives way with 429",
  },
  C2: {
    abuse: "clients that send a byte a second",
    expected: "the other client is served; each of them ends with 408",
  },
  C3: {
    abuse: "a hundred streams that their client does not read",
    expected: "another client of the same model is answered",
  },
  C4: {
    abuse: "600 connections to a service that may open 400 files",
    expected: "`/livez` and the other client are answered, a worker can be started",
  },
  L1: {
    abuse: "requests without a key, as fast as they go",
    expected: "401 each; a line a second in the log says how many",
  },
  L2: {
    abuse: "paths that do not exist and methods that are not allowed, as fast as they go",
    expected: "404 or 405 each; a line a second in the log says how many",
  },
  L3: {
    abuse: "headers without end, of one line and of many, and what is no HTTP",
    expected: "431 or 400, and the connection is closed",
  },
  U1: {
    abuse: "a hundred greedy streams of one client that reads them all",
    expected: "another client's first token within twice an undisturbed request's and one step",
  },
} as const satisfies Record<string, { readonly abuse: string; readonly expected: string }>;

export type AbuseId = keyof typeof ABUSE_MATRIX;
