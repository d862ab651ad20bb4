import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { chatCompletionRequestSchema } from "../../shared/openai.ts";
import { completionRequestSchema } from "../../shared/openai-completions.ts";
import { UNSUPPORTED_OPTIONS } from "../../supervisor/http/dialects/openai/unsupported-options.ts";
import { testApp } from "./test-app.ts";

const PAGE = join(import.meta.dirname, "../../docs/api.md");

/** The part of a JSON schema that the tables show. */
interface Property {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Property[];
  readonly items?: Property;
  readonly $ref?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly description?: string;
}

/** Mentioned in the table of what is refused and nowhere else. */
const ONLY_REFUSED = ["functions", "function_call", "modalities", "audio", "web_search_options"];

function optionsOf(schema: z.ZodObject): [string, Property][] {
  // Without its id: a schema that has one is a reference to itself.
  const { properties } = z.toJSONSchema(z.object(schema.shape), { io: "input" });
  const all = Object.entries(properties ?? {}) as [string, Property][];
  return all.filter(([name]) => !ONLY_REFUSED.includes(name));
}

function typeOf(property: Property): string {
  const { type, enum: words, anyOf, items } = property;
  if (anyOf !== undefined) {
    const types = anyOf.map(typeOf).filter((name) => name !== "null");
    return [...new Set(types)].join(" or ");
  }
  if (words !== undefined) return words.map((word) => `\`${String(word)}\``).join(", ");
  if (property.$ref !== undefined) return "object";
  if (type === "array") return `list of ${items === undefined ? "values" : plural(typeOf(items))}`;
  const [name = "object"] = [type ?? "object"].flat();
  return `${name}${range(property)}`;
}

function plural(type: string): string {
  return type.startsWith("list of ") ? type.replace("list of", "lists of") : `${type.replace(/ .*/, "")}s`;
}

/** Bounds that only say "any integer" say nothing. */
function range({ minimum, exclusiveMinimum, maximum }: Property): string {
  const isTold = (bound: number | undefined) => bound !== undefined && Math.abs(bound) < 2 ** 53 - 1;
  const from = isTold(exclusiveMinimum) ? `> ${exclusiveMinimum}` : isTold(minimum) ? `≥ ${minimum}` : "";
  const to = isTold(maximum) ? `≤ ${maximum}` : "";
  const both = [from, to].filter((bound) => bound !== "").join(", ");
  return both === "" ? "" : ` ${both}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function optionTable(schema: z.ZodObject): string {
  return table(
    ["field", "type", "meaning"],
    optionsOf(schema).map(([name, property]) => [
      `\`${name}\``,
      typeOf(property),
      property.description ?? "",
    ]),
  );
}

const TABLES: Readonly<Record<string, string>> = {
  chat: optionTable(chatCompletionRequestSchema),
  refused: table(
    ["field", "accepted all the same"],
    UNSUPPORTED_OPTIONS.map(({ field, accepted }) => [`\`${field}\``, accepted]),
  ),
  completions: optionTable(completionRequestSchema),
};

describe("docs/api.md", () => {
  it("has the tables of the schemas (UPDATE_DOCS=1 writes them)", async () => {
    const page = await readFile(PAGE, "utf8");
    const expected = page.replaceAll(
      /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
      (_, start: string, name: string, end: string) => `${start}\n${TABLES[name]}\n\n${end}`,
    );
    expect([...page.matchAll(/<!-- table: (\w+) -->/g)].map((match) => match[1])).toEqual(
      Object.keys(TABLES),
    );
    if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, expected);
    expect(await readFile(PAGE, "utf8")).toBe(expected);
  });

  it("names every path the server answers", async () => {
    const page = await readFile(PAGE, "utf8");
    const paths = new Set(testApp().app.routes.map(({ path }) => path));
    for (const path of [...paths].filter((one) => !one.includes("*") && !one.includes(":")))
      expect(page, path).toContain(path);
  });

  it("says what every option means", () => {
    for (const schema of [chatCompletionRequestSchema, completionRequestSchema]) {
      expect(optionsOf(schema).length).toBeGreaterThan(20);
      for (const [name, { description }] of optionsOf(schema)) expect(description, name).toBeTruthy();
    }
  });
});
