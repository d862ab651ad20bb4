import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { configSchema, modelSettingsSchema, timeoutsSchema } from "../shared/config.ts";
import { EXTERNAL_SETTINGS } from "../supervisor/config/config-sources.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "configuration.md");

/** The part of a JSON schema that the tables show. */
interface Property {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly items?: Property;
  readonly anyOf?: readonly Property[];
}

function propertiesOf(schema: z.ZodType): [string, Property][] {
  const { properties } = z.toJSONSchema(schema, { io: "input" });
  return Object.entries(properties ?? {}) as [string, Property][];
}

function typeOf({ type, enum: values, items, anyOf }: Property): string {
  if (anyOf !== undefined) return anyOf.map(typeOf).join(" or ");
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (type === "array") return `list of ${items?.type ?? "values"}s`;
  return type === "object" ? "mapping" : (type ?? "");
}

function cells(name: string, property: Property): string[] {
  const isPlain = property.type !== "object" && property.default !== undefined;
  return [
    `\`${name}\``,
    typeOf(property),
    isPlain ? `\`${JSON.stringify(property.default)}\`` : "",
    property.description ?? "",
  ];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (values: readonly string[]) =>
    `| ${values.map((value) => value.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function keyTable(): string {
  const rows = propertiesOf(configSchema).map(([name, property]) => {
    const outside = EXTERNAL_SETTINGS.find(({ key }) => key === name);
    const other = [outside?.variable, outside?.flag?.spelling].filter((spelling) => spelling !== undefined);
    const [key = "", type = "", fallback = "", meaning = ""] = cells(name, property);
    return [key, type, fallback, other.map((spelling) => `\`${spelling}\``).join(", "), meaning];
  });
  return table(["key", "type", "default", "environment, flag", "meaning"], rows);
}

function sectionTable(schema: z.ZodType): string {
  return table(
    ["key", "type", "default", "meaning"],
    propertiesOf(schema).map(([name, property]) => cells(name, property)),
  );
}

const TABLES: Readonly<Record<string, string>> = {
  keys: keyTable(),
  timeouts: sectionTable(timeoutsSchema),
  models: sectionTable(modelSettingsSchema),
};

it("the tables of docs/configuration.md are those of the schema (UPDATE_DOCS=1 writes them)", async () => {
  const page = await readFile(PAGE, "utf8");
  const expected = page.replaceAll(
    /(<!-- table: (\w+) -->\n)[\s\S]*?(\n<!-- end -->)/g,
    (_, start: string, name: string, end: string) => `${start}\n${TABLES[name]}\n${end}`,
  );
  expect([...page.matchAll(/<!-- table: (\w+) -->/g)].map((match) => match[1])).toEqual(Object.keys(TABLES));
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, expected);
  expect(await readFile(PAGE, "utf8")).toBe(expected);
});

it("every key says what it means", () => {
  for (const schema of [configSchema, timeoutsSchema, modelSettingsSchema]) {
    for (const [name, { description }] of propertiesOf(schema)) expect(description, name).toBeTruthy();
  }
});
