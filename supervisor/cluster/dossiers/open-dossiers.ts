import { homedir, release, type } from "node:os";
import type { Logger } from "pino";
import type { RedactionFacts } from "../../policy/redact.ts";
import type { DossierStore } from "../../store/dossier-store.ts";
import { Dossiers } from "./dossiers.ts";
import { crashReportFinder, reportDirectories } from "./find-crash-report.ts";

export interface DossierFacts {
  readonly store: DossierStore;
  /** Of this program. */
  readonly version: string;
  /** What must not stand in a dossier. */
  redaction(): RedactionFacts;
  readonly log: Logger;
}

/** The dossiers of this machine. */
export function openDossiers({ store, version, redaction, log }: DossierFacts): Dossiers {
  const directories = process.platform === "darwin" ? reportDirectories(homedir()) : [];
  return new Dossiers({
    store,
    redaction,
    versions: {
      opta_lmx: version,
      node: process.versions.node,
      system: `${type()} ${release()} ${process.arch}`,
    },
    findCrashReport: crashReportFinder(directories),
    log,
  });
}
