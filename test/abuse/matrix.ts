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
} as const satisfies Record<string, { readonly abuse: string; readonly expected: string }>;

export type AbuseId = keyof typeof ABUSE_MATRIX;
