import { expect, it } from "vitest";
import { z } from "zod";
import * as generation from "../../shared/generation.ts";
import { chatCompletionRequestSchema } from "../../shared/openai.ts";
import { MAX_REQUEST_MEMBERS } from "../../shared/wire-limits.ts";
import * as protocol from "../../shared/worker-protocol.ts";

type Schema = z.core.$ZodType;

/** What a schema is made of, with the place of each part. */
function partsOf(schema: Schema, place: string): [Schema, string][] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "object":
      return Object.entries(def.shape).map(([name, part]) => [part, `${place}.${name}`]);
    case "array":
      return [[def.element, `${place}[]`]];
    case "record":
      return [
        [def.keyType, `${place}{key}`],
        [def.valueType, `${place}{}`],
      ];
    case "union":
      return def.options.map((part, index) => [part, `${place}|${index}`]);
    case "optional":
    case "nullable":
    case "default":
      return [[def.innerType, place]];
    default:
      return [];
  }
}

/** Names of what is checked of a value: `max_length`, `less_than`, `number_format`. */
function checksOf(schema: Schema): string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return (def.checks ?? []).map((check) => check._zod.def.check);
}

/** Why a value of this schema could be of any size; null: it cannot. Parts are judged by themselves. */
function whyUnbounded(schema: Schema): string | null {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  const checks = checksOf(schema);
  switch (def.type) {
    case "string":
      return checks.includes("max_length") || checks.includes("string_format")
        ? null
        : "a text of any length";
    case "number": {
      // A whole number is a safe one.
      const isBounded = checks.includes("less_than") && checks.includes("greater_than");
      return isBounded || checks.includes("number_format") ? null : "a number of any size";
    }
    case "array":
      return checks.includes("max_length") ? null : "a list of any length";
    case "record":
      return checks.includes("custom") ? null : "any number of members";
    case "object":
    case "union":
    case "optional":
    case "nullable":
    case "default":
    case "literal":
    case "enum":
    case "boolean":
      return null;
    default:
      return `what is in ${def.type} is not known`;
  }
}

function unbounded(schema: Schema, place: string): string[] {
  const why = whyUnbounded(schema);
  const here = why === null ? [] : [`${place}: ${why}`];
  return [...here, ...partsOf(schema, place).flatMap(([part, name]) => unbounded(part, name))];
}

/** Values a client gives to templates and schemas of tools are of any kind; their request's line bounds them. */
const OF_ANY_KIND = /(chat_template_kwargs|parameters)\{(key)?\}:/;

it("every member of the worker protocol is bounded, in both directions", () => {
  const methods = Object.entries(protocol.WORKER_METHODS).flatMap(([name, { params, result }]) => [
    ...unbounded(params, `${name}.params`),
    ...unbounded(result, `${name}.result`),
  ]);
  const exported = [...Object.entries(protocol), ...Object.entries(generation)].flatMap(([name, value]) =>
    value instanceof z.ZodType ? unbounded(value, name) : [],
  );
  expect([...methods, ...exported].filter((line) => !OF_ANY_KIND.test(line))).toEqual([]);
});

it("finds what is not bounded", () => {
  const loose = z.object({
    text: z.string(),
    number: z.number().min(0),
    list: z.array(z.boolean()),
    record: z.record(z.string().max(1), z.boolean()).optional(),
    other: z.date().nullable(),
  });
  expect(unbounded(loose, "x").map((line) => line.split(":")[0])).toEqual([
    "x.text",
    "x.number",
    "x.list",
    "x.record",
    "x.other",
  ]);
});

it("objects with too many members are refused", () => {
  const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [String(index), 0]));
  const { logit_bias } = generation.samplingSchema.shape;
  const { parameters } = generation.toolSchema.shape.function.shape;
  for (const schema of [logit_bias, parameters]) {
    expect(schema.safeParse(many).error?.issues[0]?.message).toBe("expected at most 10000 members");
  }
});

it("takes as many biases and template arguments from a client as the worker may be told", () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, id) => [String(id), 1]));
  const asked = (count: number) => ({
    ...{ model: "m", messages: [{ role: "user", content: "hi" }] },
    logit_bias: many(count),
    chat_template_kwargs: many(count),
  });
  expect(chatCompletionRequestSchema.safeParse(asked(MAX_REQUEST_MEMBERS)).success).toBe(true);
  expect(generation.samplingSchema.shape.logit_bias.safeParse(many(MAX_REQUEST_MEMBERS)).success).toBe(true);
  const { error } = chatCompletionRequestSchema.safeParse(asked(MAX_REQUEST_MEMBERS + 1));
  expect(error?.issues.map(({ path }) => path[0])).toEqual(["logit_bias", "chat_template_kwargs"]);
});
