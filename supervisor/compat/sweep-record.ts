import {
  type KnownLimit,
  REDUCED_PREFIX,
  type ReducedArchitecture,
  type SweepResult,
} from "../../shared/admin-sweep.ts";
import type { RegistryEntry } from "../../shared/registry.ts";
import { BACKEND, type BackendVersions } from "../backends/model-key.ts";
import { passFacts } from "../cluster/admission/load-history.ts";
import type { Failure } from "../policy/lifecycle/model-state.ts";
import type { CompatibilityRegistry } from "../store/compatibility-registry.ts";
import type { Attempt } from "./try-reduced-model.ts";

/** What the registry knows and learns of reduced models. Their rows are marked, and have a name no real model has. */
export class SweepRecord {
  readonly #registry: Pick<CompatibilityRegistry, "record" | "entries">;
  readonly #system: NodeJS.Platform;

  constructor(
    registry: Pick<CompatibilityRegistry, "record" | "entries">,
    system: NodeJS.Platform = process.platform,
  ) {
    this.#registry = registry;
    this.#system = system;
  }

  /** The result of an architecture that passed when it was last tried on exactly this runtime; null: it did not. */
  earlierPass({ arch, limit }: ReducedArchitecture, versions: BackendVersions): SweepResult | null {
    const rows = this.#registry.entries({
      model: `${REDUCED_PREFIX}${arch}`,
      backend: BACKEND,
      backend_version: versions.mlx_lm,
    });
    const last = rows.findLast(
      ({ metadata }) => metadata.mlx_version === versions.mlx && metadata.platform === platform(),
    );
    if (last?.outcome !== "pass") return null;
    const { load_seconds, peak_memory_bytes } = last.metadata;
    return {
      arch,
      outcome: "skipped",
      reason: `passed on this runtime already, on ${last.ts.slice(0, 10)}`,
      limit: limit ?? null,
      load_seconds: typeof load_seconds === "number" ? load_seconds : null,
      peak_memory_bytes: typeof peak_memory_bytes === "number" ? peak_memory_bytes : null,
    };
  }

  /** What came of a try; a row is written unless it says nothing about the architecture. */
  outcome(
    { arch, limit = null }: ReducedArchitecture,
    versions: BackendVersions,
    attempt: Attempt,
  ): SweepResult {
    const write = (outcome: "pass" | "fail", reason: string | null, digest: string | null, facts: object) =>
      this.#write({ arch, versions, outcome, reason, digest, facts });
    switch (attempt.kind) {
      case "passed": {
        // It passes alone; its limit may show in a batch.
        const known = limit === null ? {} : { known_limit: limit.kind };
        write("pass", null, attempt.digest, { ...passFacts(attempt.evidence, null), ...known });
        const { load_seconds, peak_memory_bytes } = attempt.evidence.loaded;
        return { arch, outcome: "pass", reason: null, limit, load_seconds, peak_memory_bytes };
      }
      case "not-built": {
        if (limit?.kind === "cannot-build") return without(arch, "skipped", limit.reason, limit);
        const reason = `model_unsupported_arch: no reduced model could be built: ${attempt.message}`;
        write("fail", reason, null, {});
        return without(arch, "fail", reason, null);
      }
      case "failed": {
        const { class: failureClass, reason: found } = attempt.failure;
        const words = `${found.code}: ${found.message}`;
        // A runtime that starts no worker says nothing about this architecture, its known limit nothing about the runtime.
        if (failureClass === "environment") return without(arch, "fail", words, null);
        const explained = this.#explains(limit, attempt.failure) ? limit : null;
        const reason = explained === null ? words : `${found.code}: ${explained.reason}`;
        const known = explained === null ? {} : { known_limit: explained.kind, found: found.message };
        write("fail", reason, attempt.digest, { cause: found.cause, ...known });
        return without(arch, "fail", reason, explained);
      }
      default:
        return attempt satisfies never;
    }
  }

  /** Every known limit shows as an orderly refusal: a crash is news, and so is a missing GPU on a Mac. */
  #explains(limit: KnownLimit | null, failure: Failure): boolean {
    if (limit === null || failure.class !== "deterministic") return false;
    return limit.kind !== "needs-metal" || this.#system !== "darwin";
  }

  #write(row: {
    readonly arch: string;
    readonly versions: BackendVersions;
    readonly outcome: RegistryEntry["outcome"];
    readonly reason: string | null;
    readonly digest: string | null;
    readonly facts: object;
  }): void {
    this.#registry.record({
      model: `${REDUCED_PREFIX}${row.arch}`,
      backend: BACKEND,
      backend_version: row.versions.mlx_lm,
      outcome: row.outcome,
      reason: row.reason,
      metadata: {
        digest: row.digest,
        mlx_version: row.versions.mlx,
        arch: row.arch,
        platform: platform(),
        reduced: true,
        ...row.facts,
      },
      ts: new Date().toISOString(),
    });
  }
}

/** The operating system and processor, as rows name them. */
export function platform(): string {
  return `${process.platform}-${process.arch}`;
}

function without(
  arch: string,
  outcome: "fail" | "skipped",
  reason: string,
  limit: KnownLimit | null,
): SweepResult {
  return { arch, outcome, reason, limit, load_seconds: null, peak_memory_bytes: null };
}
