import { describe, expect, it } from "vitest";
import { z } from "zod";
import { validationError } from "../../../supervisor/http/body/validation-error.ts";

const schema = z.object({
  name: z.string().min(1),
  kind: z.enum(["a", "b"]).optional(),
  size: z.number().int().min(1).max(9).optional(),
  biases: z.record(z.string().regex(/^\d+$/, "expected an id as key"), z.number()).optional(),
  parts: z.union([z.string(), z.array(z.object({ text: z.string() }))]).optional(),
});

function problem(input: unknown) {
  const parsed = schema.safeParse(input);
  if (parsed.success) throw new Error("expected a refusal");
  const { message, param, code } = validationError(parsed.error, input);
  return { message, param, code };
}

describe("validationError", () => {
  it.each([
    [{}, "name", "name: expected string, got nothing."],
    [{ name: null }, "name", "name: expected string, got null."],
    [{ name: "" }, "name", "name: expected length ≥ 1, got an empty string."],
    [{ name: "x", kind: "c" }, "kind", 'kind: expected one of "a", "b", got "c".'],
    [{ name: "x", size: 1.5 }, "size", "size: expected integer, got 1.5."],
    [{ name: "x", size: 10 }, "size", "size: expected number ≤ 9, got 10."],
    [{ name: "x", parts: 3 }, "parts", "parts: expected string or array, got 3."],
    [{ name: "x", parts: [{ text: 3 }] }, "parts.0.text", "parts.0.text: expected string, got 3."],
    [{ name: "x", biases: { a: 1 } }, "biases.a", 'biases.a: expected an id as key, got "a".'],
    [{ name: "x", biases: { "1": "b" } }, "biases.1", "biases.1: expected number, got a string."],
    ["x", null, "body: expected object, got a string."],
  ])("describes %j", (input, param, message) => {
    expect(problem(input)).toEqual({ code: "invalid_request_error", param, message });
  });

  it("names several faults, the first one in param, and counts the rest", () => {
    const { message, param } = problem({ kind: 1, size: "s", parts: null });
    expect(param).toBe("name");
    expect(message).toMatch(/^name: .*; kind: .*; size: .*; and 1 more\.$/);
  });

  it("cuts keys that the client made long", () => {
    const { message, param } = problem({ name: "x", biases: { ["k".repeat(100_000)]: 1 } });
    expect(message.length).toBeLessThan(300);
    expect(param?.length).toBeLessThan(300);
  });

  it("never repeats the text of a string", () => {
    expect(problem({ name: "x", size: "secret prompt" }).message).not.toContain("secret");
  });
});
