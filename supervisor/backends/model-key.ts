import type { CatalogueEntry } from "../models/catalogue-entry.ts";

/** Versions of the runtime that would load a model now. */
export interface BackendVersions {
  readonly mlx_lm: string;
  readonly mlx: string;
}

/** Name of the only backend so far, as the registry writes it. */
export const BACKEND = "mlx-lm";

/** What a failure is remembered under, as text: a new digest or runtime has no history. */
export function failureKeyOf({ id, digest, modelType }: CatalogueEntry, versions: BackendVersions): string {
  return JSON.stringify([id, digest, BACKEND, versions.mlx_lm, versions.mlx, modelType]);
}

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
