import { z } from "zod";
import { measureJson } from "../json/json-meter.ts";

/** Ten times what the largest document this service writes becomes. Bytes of the heap. */
const MOST_HEAP_BYTES = 256 * 1024 * 1024;
/** As many as a registry of 2,000 rows could hold at the very most, each full of numbers. */
const MOST_VALUES = 2_000_000;

/** What a durable JSON document looks like, and how older forms of it become the current one. */
export interface DocumentFormat<T> {
  /** Value of the document's `schema` field today; a document without one is version 0. */
  readonly version: number;
  readonly schema: z.ZodType<T>;
  /** Version n to version n + 1; a missing step makes the document unreadable. */
  readonly migrations: Readonly<Record<number, (older: unknown) => unknown>>;
  /** A larger file is not read at all. */
  readonly maxBytes: number;
}

export type Decoded<T> =
  | { readonly kind: "current"; readonly data: T }
  | { readonly kind: "migrated"; readonly data: T; readonly from: number }
  /** Written by a later release. `data` is what this one understands of it, null when nothing. */
  | { readonly kind: "newer"; readonly data: T | null; readonly version: number }
  | { readonly kind: "bad"; readonly problem: string };

/** Bytes of a file to a checked document. Never throws, whatever the bytes are. */
export function decodeDocument<T>(bytes: Buffer, format: DocumentFormat<T>): Decoded<T> {
  const parsed = parseJson(bytes);
  if (parsed.kind === "bad") return parsed;
  const version = versionOf(parsed.value);
  if (version > format.version) return { kind: "newer", version, data: understand(parsed.value, format) };
  const migrated = migrate(parsed.value, version, format);
  if (migrated.kind === "bad") return migrated;
  const checked = format.schema.safeParse(migrated.value);
  if (!checked.success) return { kind: "bad", problem: firstLine(z.prettifyError(checked.error)) };
  return version === format.version
    ? { kind: "current", data: checked.data }
    : { kind: "migrated", data: checked.data, from: version };
}

type Step =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "bad"; readonly problem: string };

function parseJson(bytes: Buffer): Step {
  if (bytes.length === 0) return { kind: "bad", problem: "the file is empty" };
  const { values, heapBytes } = measureJson(bytes);
  if (values > MOST_VALUES)
    return { kind: "bad", problem: `expected at most ${MOST_VALUES} values, got ${values}` };
  if (heapBytes > MOST_HEAP_BYTES)
    return { kind: "bad", problem: `expected at most ${MOST_HEAP_BYTES} bytes in memory, got ${heapBytes}` };
  try {
    return { kind: "value", value: JSON.parse(bytes.toString("utf8")) as unknown };
  } catch (thrown) {
    return { kind: "bad", problem: thrown instanceof Error ? firstLine(thrown.message) : "not JSON" };
  }
}

function versionOf(value: unknown): number {
  const header = z.object({ schema: z.number().int().min(0) }).safeParse(value);
  return header.success ? header.data.schema : 0;
}

function migrate<T>(value: unknown, from: number, format: DocumentFormat<T>): Step {
  let current = value;
  for (let version = from; version < format.version; version += 1) {
    const step = format.migrations[version];
    if (step === undefined) return { kind: "bad", problem: `no migration from schema ${version}` };
    try {
      current = step(current);
    } catch (thrown) {
      const why = thrown instanceof Error ? firstLine(thrown.message) : "it threw";
      return { kind: "bad", problem: `migration from schema ${version} failed: ${why}` };
    }
  }
  return { kind: "value", value: current };
}

function understand<T>(value: unknown, format: DocumentFormat<T>): T | null {
  if (typeof value !== "object" || value === null) return null;
  const checked = format.schema.safeParse({ ...value, schema: format.version });
  return checked.success ? checked.data : null;
}

function firstLine(text: string): string {
  return (text.split("\n", 1)[0] ?? "").slice(0, 300);
}
