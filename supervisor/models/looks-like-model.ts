import type { Dirent } from "node:fs";

/**
 * Whether MLX might load a directory with these entries. Weights without a config count too: an incomplete model is
 * shown and refused, not hidden. A folder of nothing but GGUF weights is another program's, with a config or without.
 */
export function looksLikeModel(entries: readonly Dirent[]): boolean {
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  if (names.some((name) => name.endsWith(".safetensors"))) return true;
  return names.includes("config.json") && !names.some((name) => name.endsWith(".gguf"));
}
