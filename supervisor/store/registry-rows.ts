import { z } from "zod";
import {
  REGISTRY_SCHEMA,
  type RegistryEntry,
  type RegistryFile,
  registryEntrySchema,
} from "../../shared/registry.ts";
import type { DocumentFormat } from "./document-format.ts";
import { rowList } from "./row-list.ts";

/** Bytes of JSON the `metadata` of one row may take. */
const MAX_METADATA_BYTES = 2 * 1024;
/** Characters of each text field of a row. */
const MAX_REASON_CHARACTERS = 500;
const MAX_NAME_CHARACTERS = 512;
/** Characters kept of a long text inside metadata. */
const MAX_DETAIL_CHARACTERS = 256;
/** Far over what the bounds above allow for 2000 rows, far under what would hurt to parse. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** What identifies a verdict: the same model files on the same runtime. A new digest or version has no history. */
export interface RegistryKey {
  readonly model: string;
  readonly backend: string;
  readonly backendVersion: string;
  readonly digest: string | null;
  readonly mlxVersion: string | null;
  readonly arch: string | null;
}

/** Metadata fields that are part of the key: they are kept whatever else has to go. */
const KEY_FIELDS = ["digest", "mlx_version", "arch"] as const;

const rowSchema = z.preprocess(withSeedNames, registryEntrySchema);

/** Rows of every form ever written, read as today's. Rows of older forms that make no sense stay in the backup only. */
export const registryFormat: DocumentFormat<RegistryFile> = {
  version: REGISTRY_SCHEMA,
  schema: z.object({ schema: z.literal(REGISTRY_SCHEMA), entries: rowList(rowSchema) }),
  migrations: { 0: fromUnversioned },
  maxBytes: MAX_FILE_BYTES,
};

/** The key a row belongs to. */
export function keyOf(entry: RegistryEntry): RegistryKey {
  const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
  const { model, backend, backend_version: backendVersion, metadata } = entry;
  const { digest, mlx_version, arch } = metadata;
  return {
    model,
    backend,
    backendVersion,
    digest: text(digest),
    mlxVersion: text(mlx_version),
    arch: text(arch),
  };
}

/** A row within its bounds: long texts are cut, metadata that does not fit is left out and `truncated` says so. */
export function boundedEntry(entry: RegistryEntry): RegistryEntry {
  return {
    ...entry,
    model: entry.model.slice(0, MAX_NAME_CHARACTERS),
    backend: entry.backend.slice(0, MAX_NAME_CHARACTERS),
    backend_version: entry.backend_version.slice(0, MAX_NAME_CHARACTERS),
    reason: entry.reason?.slice(0, MAX_REASON_CHARACTERS) ?? null,
    metadata: boundedMetadata(entry.metadata),
  };
}

function boundedMetadata(metadata: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: [string, unknown][] = [];
  let room = MAX_METADATA_BYTES - Buffer.byteLength('{"truncated":true}');
  let truncated = false;
  for (const [name, value] of keyFieldsFirst(metadata)) {
    const candidates = typeof value === "string" ? [value, value.slice(0, MAX_DETAIL_CHARACTERS)] : [value];
    const fitting = candidates.find((candidate) => encodedBytes(name, candidate) <= room);
    truncated ||= fitting === undefined || fitting !== value;
    if (fitting === undefined) continue;
    kept.push([name, fitting]);
    room -= encodedBytes(name, fitting);
  }
  // Not a plain assignment per field: a field called __proto__ must stay a field.
  return Object.fromEntries(truncated ? [...kept, ["truncated", true]] : kept);
}

function keyFieldsFirst(metadata: Readonly<Record<string, unknown>>): [string, unknown][] {
  const isKeyField = (name: string): boolean => KEY_FIELDS.some((field) => field === name);
  const fields = Object.entries(metadata).filter(([, value]) => value !== undefined);
  return [...fields.filter(([name]) => isKeyField(name)), ...fields.filter(([name]) => !isKeyField(name))];
}

/** Bytes of `"name":value,`; infinite for what JSON cannot hold. */
function encodedBytes(name: string, value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(name)) + Buffer.byteLength(JSON.stringify(value)) + 2;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The bare array of rows, or an object without `schema`, that earlier programs wrote. */
function fromUnversioned(older: unknown): unknown {
  const rows = z.union([
    z.array(z.unknown()),
    z.object({ entries: z.array(z.unknown()) }).transform((file) => file.entries),
  ]);
  const readable = rows.parse(older).flatMap((row) => {
    const checked = rowSchema.safeParse(row);
    return checked.success ? [checked.data] : [];
  });
  return { schema: REGISTRY_SCHEMA, entries: readable };
}

/** `model_id` and `timestamp` are other names the seed documents use; times come as text or seconds. */
function withSeedNames(row: unknown): unknown {
  const fields = z.record(z.string(), z.unknown()).safeParse(row);
  if (!fields.success) return row;
  const { model_id, timestamp, ...rest } = fields.data;
  return {
    ...rest,
    model: rest.model ?? model_id,
    backend_version: rest.backend_version ?? "unknown",
    reason: rest.reason ?? null,
    metadata: rest.metadata ?? {},
    ts: asIsoTime(rest.ts ?? timestamp),
  };
}

function asIsoTime(value: unknown): unknown {
  if (typeof value !== "string" && typeof value !== "number") return value;
  const time = new Date(typeof value === "number" ? value * 1_000 : value);
  return Number.isNaN(time.getTime()) ? value : time.toISOString();
}
