import type { Config } from "../../../shared/config.ts";
import type { ReadinessReason } from "../../../shared/readiness.ts";
import type { RegistryEntry } from "../../../shared/registry.ts";
import { type ModelStructure, modelStructureSchema } from "../../../shared/worker-protocol.ts";
import { type BackendVersions, keyOf } from "../../backends/model-key.ts";
import type { CatalogueEntry } from "../../models/catalogue-entry.ts";
import type { CompatibilityRegistry } from "../../store/compatibility-registry.ts";
import type { LoadEvidence } from "../../workers/load-worker.ts";

/** What earlier tries of one key showed. */
export interface ModelHistory {
  readonly lastOutcome: RegistryEntry["outcome"] | null;
  readonly hasPassed: boolean;
  /** Of the newest pass. */
  readonly structure: ModelStructure | null;
  /** Most its allocator held while it loaded and was canaried. Bytes. */
  readonly peakBytes: number | null;
}

const UNTRIED: ModelHistory = { lastOutcome: null, hasPassed: false, structure: null, peakBytes: null };

/** What stands behind an outcome. */
export interface OutcomeEvidence {
  /** Null: refused before anything was loaded. */
  readonly load: LoadEvidence | null;
  readonly structure: ModelStructure | null;
  /** Checks the operator told us to go past. */
  readonly overridden: readonly string[];
}

/** What the registry knows and learns of models: proofs for `load_on_request`, and a row per load outcome. */
export class LoadHistory {
  readonly #registry: CompatibilityRegistry;
  readonly #loadOnRequest: Config["load_on_request"];
  readonly #versions: () => BackendVersions | null;

  constructor(
    registry: CompatibilityRegistry,
    loadOnRequest: Config["load_on_request"],
    versions: () => BackendVersions | null,
  ) {
    this.#registry = registry;
    this.#loadOnRequest = loadOnRequest;
    this.#versions = versions;
  }

  /** May a mere request start this model? */
  mayStartOnRequest(entry: CatalogueEntry): boolean {
    if (this.#loadOnRequest !== "proven") return this.#loadOnRequest === "always";
    const versions = this.#versions();
    return versions !== null && entry.digest !== null && this.#registry.hasPass(keyOf(entry, versions));
  }

  /** What earlier tries of exactly this model on this runtime showed; nothing of files that have no digest to tell. */
  history(entry: CatalogueEntry, versions: BackendVersions): ModelHistory {
    if (entry.digest === null) return UNTRIED;
    const rows = this.#registry.ofKey(keyOf(entry, versions));
    const tried = rows.findLast(({ outcome }) => outcome !== "drift");
    const pass = rows.findLast(({ outcome }) => outcome === "pass");
    const peak = pass?.metadata.peak_memory_bytes;
    return {
      lastOutcome: tried?.outcome ?? null,
      hasPassed: pass !== undefined,
      structure: modelStructureSchema.safeParse(pass?.metadata.structure).data ?? null,
      peakBytes: typeof peak === "number" && peak > 0 ? peak : null,
    };
  }

  /** A refusal that says what the last row of this model said already is not written again. */
  outcome(
    entry: CatalogueEntry,
    outcome: "pass" | "fail",
    reason: ReadinessReason | null,
    evidence: OutcomeEvidence,
  ): void {
    const versions = evidence.load?.versions ?? this.#versions();
    if (versions === null) return;
    const key = keyOf(entry, versions);
    const words = reason === null ? null : `${reason.code}: ${reason.message}`;
    const last = this.#registry.ofKey(key).at(-1);
    if (evidence.load === null && last?.outcome === outcome && last.reason === words) return;
    this.#registry.record({
      model: key.model,
      backend: key.backend,
      backend_version: key.backendVersion,
      outcome,
      reason: words,
      metadata: {
        digest: key.digest,
        mlx_version: key.mlxVersion,
        arch: key.arch,
        platform: `${process.platform}-${process.arch}`,
        ...(evidence.overridden.length === 0 ? {} : { overridden: evidence.overridden }),
        ...(outcome === "pass" && evidence.load !== null ? passFacts(evidence.load, evidence.structure) : {}),
      },
      ts: new Date().toISOString(),
    });
  }
}

/** Figures of a pass, as every row has them. */
export function passFacts(
  { loaded, canary, warning }: LoadEvidence,
  structure: ModelStructure | null,
): Record<string, unknown> {
  return {
    ...(structure === null ? {} : { structure: modelStructureSchema.parse(structure) }),
    load_seconds: loaded.load_seconds,
    memory_bytes: loaded.memory_bytes,
    peak_memory_bytes: loaded.peak_memory_bytes,
    canary_tokens: canary?.token_ids ?? null,
    canary_warning: warning,
  };
}
