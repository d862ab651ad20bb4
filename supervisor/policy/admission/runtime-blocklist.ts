import { isInRange, parseRange } from "./version-range.ts";

/** A kind of model that is known not to be safe on a runtime. */
export interface BlockedRuntime {
  /** `model_type`, or mlx_lm's module for it. */
  readonly signature: string;
  readonly backend: string;
  /** PEP 440 range of the backend's versions; empty: all. */
  readonly versions: string;
  readonly reason: string;
  /** Where that is known from. */
  readonly evidence: string;
}

export const DEFAULT_BLOCKLIST: readonly BlockedRuntime[] = [
  {
    signature: "glm_moe_dsa",
    backend: "mlx-lm",
    versions: "",
    reason: "GLM models of this architecture have been unstable to load, taking the whole service with them",
    evidence: "incident report on GLM loads that resolve to glm_moe_dsa",
  },
];

/** The runtime a model would be loaded with. */
export interface RuntimeVersions {
  readonly backend: string;
  readonly backendVersion: string;
  readonly mlxVersion: string;
  /** Node's name of the operating system: `darwin`, `linux`. */
  readonly platform: string;
}

/** The entry that keeps this architecture off this runtime, if any. A range that cannot be read covers everything. */
export function findBlock(
  blocklist: readonly BlockedRuntime[],
  signatures: readonly string[],
  runtime: RuntimeVersions,
): BlockedRuntime | null {
  const blocked = blocklist.find(({ signature, backend, versions }) => {
    const range = parseRange(versions);
    const isCovered = range === null || isInRange(runtime.backendVersion, range);
    return signatures.includes(signature) && backend === runtime.backend && isCovered;
  });
  return blocked ?? null;
}
