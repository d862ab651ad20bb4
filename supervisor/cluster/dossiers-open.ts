import { realpathSync } from "node:fs";
import { homedir, release, type, userInfo } from "node:os";
import type { Logger } from "pino";
import type { DossierStore } from "../store/dossier-store.ts";
import { Dossiers } from "./dossiers.ts";
import { crashReportFinder, reportDirectories } from "./dossiers-crash-report.ts";

export interface DossierFacts {
  readonly store: DossierStore;
  /** Of this program. */
  readonly version: string;
  /** Keys that open this service. */
  secrets(): readonly string[];
  /** The workers' Python; null: not known yet. */
  python(): string | null;
  readonly log: Logger;
}

/** The dossiers of this machine and user: nothing in them names the user or opens a door. */
export function openDossiers({ store, version, secrets, python, log }: DossierFacts): Dossiers {
  const home = homedir();
  // HOME may say something else than the system does.
  const homes = [home, accountHome() ?? home].flatMap((one) => [one, realPathOf(one)]);
  const { HF_TOKEN: token = "", HUGGING_FACE_HUB_TOKEN: older = "" } = process.env;
  return new Dossiers({
    store,
    redaction: () => ({ homes, secrets: [...secrets(), token, older] }),
    versions: {
      opta_lmx: version,
      node: process.versions.node,
      system: `${type()} ${release()} ${process.arch}`,
    },
    findCrashReport: crashReportFinder(process.platform === "darwin" ? reportDirectories(home) : [], python),
    log,
  });
}

function accountHome(): string | null {
  try {
    return userInfo().homedir;
  } catch {
    // A container's user may have no account.
    return null;
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
