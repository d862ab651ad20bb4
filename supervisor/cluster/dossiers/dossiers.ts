import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { buildDossier, type DeathReport, dossierId } from "../../policy/diagnosis/dossier.ts";
import { type RedactionFacts, redact } from "../../policy/redact.ts";
import type { DossierStore } from "../../store/dossier-store.ts";
import type { FindCrashReport } from "./find-crash-report.ts";

/** What the life of a model's workers needs of the dossiers. */
export interface DossierSink {
  /** A name for a death that is under way; it is the model's newest dossier from now on. */
  reserve(modelId: string): string;
  /** Writes a dossier. */
  file(report: DeathReport): void;
  /** Id of the model's newest dossier; null: it has none. */
  newest(modelId: string): string | null;
}

/** Keeps nothing. */
export const NO_DOSSIERS: DossierSink = { reserve: () => "", file: () => {}, newest: () => null };

export interface DossiersOptions {
  readonly store: Pick<DossierStore, "put" | "newest">;
  /** What must not stand in a dossier. */
  redaction(): RedactionFacts;
  /** Of this program and its surroundings, beside those of the worker. */
  readonly versions: Readonly<Record<string, string>>;
  readonly findCrashReport: FindCrashReport;
  readonly log: Logger;
}

/** Names dossiers before they are written, because whoever is told of a failure is told where to read on. */
export class Dossiers implements DossierSink {
  readonly #options: DossiersOptions;
  readonly #reserved = new Map<string, string>();
  readonly #closed = new AbortController();

  constructor(options: DossiersOptions) {
    this.#options = options;
  }

  reserve(modelId: string): string {
    const id = dossierId(Date.now(), randomBytes(3).toString("hex"));
    this.#reserved.set(modelId, id);
    return id;
  }

  newest(modelId: string): string | null {
    return this.#reserved.get(modelId) ?? this.#options.store.newest(modelId);
  }

  file(report: DeathReport): void {
    this.#write(report).catch((error) => {
      // A dossier that cannot be made must not cost the model its restart.
      this.#options.log.error({ err: error, model: report.model }, "a crash dossier could not be written");
    });
  }

  /** Looks for no further reports of the system. */
  close(): void {
    this.#closed.abort();
  }

  async #write(report: DeathReport): Promise<void> {
    const { store, redaction, versions, findCrashReport, log } = this.#options;
    const facts = redaction();
    const clean = (text: string): string => redact(text, facts);
    const dossier = buildDossier({ ...report, versions: { ...versions, ...report.versions } }, clean);
    log.info({ model: report.model, dossier: report.id }, "crash dossier");
    await store.put(dossier);
    const path = await findCrashReport(report, this.#closed.signal);
    if (path !== null) await store.put({ ...dossier, crash_report: clean(path) });
  }
}
