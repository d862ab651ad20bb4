import { join } from "node:path";
import { z } from "zod";
import { type Dossier, dossierSchema } from "../../shared/dossier.ts";
import { isDossierId, surplusDossiers } from "../policy/diagnosis/dossier.ts";
import { type DocumentFormat, decodeDocument } from "./document-format.ts";
import { DurableFile } from "./durable-file.ts";
import { type Files, realFiles, systemErrorCode } from "./files.ts";
import type { StoreHealth, StoreOptions } from "./row-store.ts";

/** Dossiers that are kept; the oldest go first. */
export const DOSSIER_LIMITS = { mostCount: 200, mostBytes: 16 * 1024 * 1024 } as const;

const SUFFIX = ".json";

interface DossierFile {
  schema: 1;
  dossier: Dossier;
}

const format: DocumentFormat<DossierFile> = {
  version: 1,
  schema: z.object({ schema: z.literal(1), dossier: dossierSchema }),
  migrations: {},
  maxBytes: 1024 * 1024,
};

/** What is kept of a dossier in memory; the rest of it is on the disk. */
interface Entry {
  readonly id: string;
  readonly model: string;
  bytes: number;
  /** Until the disk has it: the dossier, and what writes it. */
  unwritten: { readonly dossier: Dossier; readonly file: DurableFile<DossierFile> } | null;
}

export interface DossierQuery {
  readonly model?: string;
  readonly limit: number;
}

/** The dossiers of dead workers, one file each. One per state directory. */
export interface DossierStore extends StoreHealth {
  /** Adds or replaces one; resolves when it is on the device, or `degraded()` says why not. Never rejects. */
  put(dossier: Dossier): Promise<void>;
  /** The newest first. Files that cannot be read are left out and stay where they are. */
  list(query: DossierQuery): Promise<Dossier[]>;
  /** Null: there is none of this id, or it cannot be read. */
  get(id: string): Promise<Dossier | null>;
  /** Id of the newest dossier of a model; null: it has none. */
  newest(model: string): string | null;
  /** Names of files that cannot be read. */
  unreadable(): string[];
}

type Options = Omit<StoreOptions, "path"> & { readonly directory: string };

/** Opens the directory; it need not be there yet. Never rejects. */
export async function openDossierStore(options: Options): Promise<DossierStore> {
  const store = new DossierDirectory(options);
  await store.open();
  return store;
}

class DossierDirectory implements DossierStore {
  readonly #options: Options;
  readonly #files: Files;
  /** Oldest first. */
  #entries: Entry[] = [];
  readonly #unreadable = new Map<string, string>();
  /** Why the directory itself could not be read. */
  #blocked: string | null = null;
  readonly recovered = null;

  constructor(options: Options) {
    this.#options = options;
    this.#files = options.files ?? realFiles;
  }

  async open(): Promise<void> {
    const { directory, log } = this.#options;
    try {
      const names = (await this.#files.list(directory)).toSorted();
      for (const name of names) await this.#take(name);
    } catch (thrown) {
      this.#blocked = `${directory} cannot be read (${systemErrorCode(thrown)})`;
      log.error({ path: directory, err: thrown }, "the crash dossiers cannot be read");
    }
    await this.#prune();
  }

  async put(dossier: Dossier): Promise<void> {
    const { id, model } = dossier;
    const before = this.#entries.find((entry) => entry.id === id);
    const entry: Entry = before ?? { id, model, bytes: 0, unwritten: null };
    const file =
      entry.unwritten?.file ?? new DurableFile({ ...this.#options, path: this.#pathOf(id), format });
    entry.unwritten = { dossier, file };
    entry.bytes = Buffer.byteLength(JSON.stringify(dossier, null, 1));
    if (before === undefined) this.#entries.push(entry);
    const written = file.write({ schema: 1, dossier });
    await this.#prune();
    await written;
    // The version before an addition is worth nothing.
    if (before !== undefined) await this.#files.remove(`${this.#pathOf(id)}.bak`).catch(() => undefined);
    if (file.degraded() === null && entry.unwritten?.dossier === dossier) entry.unwritten = null;
  }

  async list({ model, limit }: DossierQuery): Promise<Dossier[]> {
    const found: Dossier[] = [];
    for (const entry of this.#entries
      .filter((one) => model === undefined || one.model === model)
      .toReversed()) {
      if (found.length >= limit) break;
      const dossier = await this.#read(entry);
      if (dossier !== null) found.push(dossier);
    }
    return found;
  }

  async get(id: string): Promise<Dossier | null> {
    const entry = this.#entries.find((one) => one.id === id);
    return entry === undefined ? null : await this.#read(entry);
  }

  newest(model: string): string | null {
    return this.#entries.findLast((entry) => entry.model === model)?.id ?? null;
  }

  unreadable(): string[] {
    return [...this.#unreadable.keys()].toSorted();
  }

  degraded(): string | null {
    const failing = this.#entries.map(({ unwritten }) => unwritten?.file.degraded() ?? null);
    return this.#blocked ?? failing.find((why) => why !== null) ?? null;
  }

  async close(): Promise<void> {
    await Promise.all(this.#entries.map(({ unwritten }) => unwritten?.file.close()));
  }

  /** One name found in the directory: a dossier, the rest of a write that was cut off, or something else. */
  async #take(name: string): Promise<void> {
    const path = join(this.#options.directory, name);
    // Whoever wrote it is gone: one supervisor at a time has the state directory.
    if (/\.json(?:\.bak)?\.tmp-\d+-[0-9a-f]+$/.test(name) || name.endsWith(`${SUFFIX}.bak`)) {
      await this.#files.remove(path).catch(() => undefined);
      return;
    }
    const id = name.slice(0, -SUFFIX.length);
    if (!name.endsWith(SUFFIX) || !isDossierId(id))
      return this.#reportUnreadable(name, "not a dossier's name");
    const read = await this.#decode(id);
    if (read !== null)
      this.#entries.push({ id, model: read.dossier.model, bytes: read.bytes, unwritten: null });
  }

  async #read(entry: Entry): Promise<Dossier | null> {
    if (entry.unwritten !== null) return entry.unwritten.dossier;
    return (await this.#decode(entry.id))?.dossier ?? null;
  }

  async #decode(id: string): Promise<{ readonly dossier: Dossier; readonly bytes: number } | null> {
    const path = this.#pathOf(id);
    try {
      const size = (await this.#files.size(path)) ?? 0;
      if (size > format.maxBytes) throw new Error(`expected at most ${format.maxBytes} bytes, got ${size}`);
      const content = await this.#files.read(path, format.maxBytes);
      const decoded = decodeDocument(content, format);
      if (decoded.kind === "bad") throw new Error(decoded.problem);
      if (decoded.data?.dossier.id !== id) throw new Error("it is of a later release, or another dossier");
      return { dossier: decoded.data.dossier, bytes: content.length };
    } catch (thrown) {
      // Pruned between the listing and the reading.
      if (systemErrorCode(thrown) === "ENOENT") return null;
      this.#reportUnreadable(`${id}${SUFFIX}`, (thrown as Error).message);
      return null;
    }
  }

  #reportUnreadable(name: string, problem: string): void {
    if (this.#unreadable.has(name)) return;
    this.#unreadable.set(name, problem);
    this.#options.log.error({ path: join(this.#options.directory, name), problem }, "not a readable dossier");
  }

  async #prune(): Promise<void> {
    const surplus = new Set(surplusDossiers(this.#entries, DOSSIER_LIMITS));
    if (surplus.size === 0) return;
    this.#entries = this.#entries.filter((entry) => !surplus.has(entry));
    for (const { id, unwritten } of surplus) {
      await unwritten?.file.close();
      await this.#files.remove(this.#pathOf(id)).catch(() => undefined);
    }
  }

  #pathOf(id: string): string {
    return join(this.#options.directory, `${id}${SUFFIX}`);
  }
}
