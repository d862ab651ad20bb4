/** Versions of the runtime that would load a model now. */

import type { CatalogueEntry } from "../models/catalogue-entry.ts";

export interface BackendVersions {
  readonly mlx_lm: string;
  readonly mlx: string;
}

export const BACKEND = "mlx-lm";

/** Name of the only backend so far, as the registry writes it. */

/** What an outcome is remembered under: the same files on the same runtime. */
export function keyOf(entry: CatalogueEntry, versions: BackendVersions) {
  return {
    model: entry.id,
    backend: BACKEND,
    backendVersion: versions.mlx_lm,
    digest: entry.digest,
    mlxVersion: versions.mlx,
    arch: entry.modelType,
  };
}
