import type { CatalogueEntry } from "../models/catalogue-entry.ts";

/** Versions of the runtime that would load a model now. */
export interface BackendVersions {
  readonly mlx_lm: string;
  readonly mlx: string;
}

/** Name of the only backend so far, as the registry writes it. */
export const BACKEND = "mlx-lm";

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
