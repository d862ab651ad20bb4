import type { Config } from "../../shared/config.ts";
import type { ReadinessReason } from "../../shared/readiness.ts";
import type { CatalogueEntry } from "../models/catalogue.ts";
import type { CompatibilityRegistry } from "../store/compatibility-registry.ts";
import type { LoadEvidence } from "./model-workers.ts";

/** Versions of the runtime that would load a model now. */
export interface BackendVersions {
  readonly mlx_lm: string;
  readonly mlx: string;
}

/** Name of the only backend so far, as the registry writes it. */
export const BACKEND = "mlx-lm";

/** What the registry knows and learns of models: proofs for `load_on_request`, and a row per load outcome. */
export class ModelRecord {
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
    return versions !== null && this.#registry.hasPass(keyOf(entry, versions));
  }

  outcome(
    entry: CatalogueEntry,
    outcome: "pass" | "fail",
    reason: ReadinessReason | null,
    evidence: LoadEvidence | null,
  ): void {
    const versions = evidence?.versions ?? this.#versions();
    if (versions === null) return;
    const key = keyOf(entry, versions);
    this.#registry.record({
      model: key.model,
      backend: key.backend,
      backend_version: key.backendVersion,
      outcome,
      reason: reason === null ? null : `${reason.code}: ${reason.message}`,
      metadata: {
        digest: key.digest,
        mlx_version: key.mlxVersion,
        arch: key.arch,
        platform: `${process.platform}-${process.arch}`,
        ...(outcome === "pass" && evidence !== null ? passFacts(evidence) : {}),
      },
      ts: new Date().toISOString(),
    });
  }
}

function keyOf(entry: CatalogueEntry, versions: BackendVersions) {
  return {
    model: entry.id,
    backend: BACKEND,
    backendVersion: versions.mlx_lm,
    digest: entry.digest,
    mlxVersion: versions.mlx,
    arch: entry.modelType,
  };
}

function passFacts({ loaded, canary, warning }: LoadEvidence): Record<string, unknown> {
  return {
    load_seconds: loaded.load_seconds,
    memory_bytes: loaded.memory_bytes,
    peak_memory_bytes: loaded.peak_memory_bytes,
    canary_tokens: canary?.token_ids ?? null,
    canary_warning: warning,
  };
}
