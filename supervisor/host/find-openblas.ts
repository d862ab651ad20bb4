import { existsSync } from "node:fs";

/** Where Linux distributions put OpenBLAS, the variant with its own threads first: Debian and Ubuntu, Fedora, Arch. */
const PLACES: readonly string[] = [
  "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0",
  "/usr/lib/aarch64-linux-gnu/openblas-pthread/libopenblas.so.0",
  "/usr/lib/x86_64-linux-gnu/libopenblas.so.0",
  "/usr/lib/aarch64-linux-gnu/libopenblas.so.0",
  "/usr/lib64/libopenblasp.so.0",
  "/usr/lib64/libopenblas.so.0",
  "/usr/lib/libopenblas.so.0",
];

/**
 * The system's OpenBLAS on Linux, or null. The released Linux wheel of MLX multiplies matrices with a reference BLAS,
 * ten times slower; preloading this one into a worker replaces it.
 */
export function findOpenBlas(
  platform: NodeJS.Platform = process.platform,
  exists = existsSync,
): string | null {
  if (platform !== "linux") return null;
  return PLACES.find((place) => exists(place)) ?? null;
}
