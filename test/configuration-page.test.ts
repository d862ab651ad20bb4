import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import {
  advisorySchema,
  blockedRuntimeSchema,
  configSchema,
  memorySchema,
  modelSettingsSchema,
  quarantineSchema,
  safeModeSchema,
  timeoutsSchema,
} from "../shared/config.ts";
import { EXTERNAL_SETTINGS } from "../supervisor/config/config-sources.ts";
import { type Effect, effectOf, type Path } from "../supervisor/policy/service/plan-reload.ts";
import { expectPageParts } from "./support/page-parts.ts";

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
    const spellings = other.map((spelling) => `\`${spelling}\``).join(", ");
    return [key, type, fallback, spellings, reloaded([name as Path[0]]), meaning];
  });
  return table(["key", "type", "default", "environment, flag", "reload", "meaning"], rows);
}

/** @param path of a key of this section in the configuration; null: they change with the section */
function sectionTable(schema: z.ZodType, path: ((name: string) => Path) | null): string {
  const rows = propertiesOf(schema).map(([name, property]) => {
    const [key = "", type = "", fallback = "", meaning = ""] = cells(name, property);
    return [key, type, fallback, ...(path === null ? [] : [reloaded(path(name))]), meaning];
  });
  return table(["key", "type", "default", ...(path === null ? [] : ["reload"]), "meaning"], rows);
}

const RELOADED: Readonly<Record<Effect, string>> = {
  now: "at once",
  next_load: "next load",
  restart: "next start",
};

function reloaded(path: Path): string {
  return RELOADED[effectOf(path)];
}

const TABLES: Readonly<Record<string, string>> = {
  keys: keyTable(),
  timeouts: sectionTable(timeoutsSchema, (name) => ["timeouts", name]),
  memory: sectionTable(memorySchema, (name) => ["memory", name]),
  quarantine: sectionTable(quarantineSchema, (name) => ["quarantine", name]),
  safe_mode: sectionTable(safeModeSchema, (name) => ["safe_mode", name]),
  models: sectionTable(modelSettingsSchema, (name) => ["models", "id", name]),
  runtime_blocklist: sectionTable(blockedRuntimeSchema, null),
  advisories: sectionTable(advisorySchema, null),
};

it("the tables of docs/configuration.md are those of the schema (UPDATE_DOCS=1 writes them)", async () => {
  await expectPageParts(PAGE, TABLES);
});

it("every key says what it means", () => {
  for (const schema of [
    configSchema,
    timeoutsSchema,
    memorySchema,
    quarantineSchema,
    safeModeSchema,
    modelSettingsSchema,
    blockedRuntimeSchema,
    advisorySchema,
  ]) {
    for (const [name, { description }] of propertiesOf(schema)) expect(description, name).toBeTruthy();
  }
});
