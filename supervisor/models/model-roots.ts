import { join } from "node:path";
import type { Config } from "../../shared/config.ts";

/** The id of the model that is part of this package. */
export const DEMO_MODEL_ID = "lmx-demo";

/** A directory that is searched for models, and how models lie in it. */
export interface ModelRoot {
  /** `folders`: `<org>/<name>` or `<name>`. `huggingface-cache`: `models--<org>--<name>/snapshots/<revision>`. */
  readonly kind: "folders" | "huggingface-cache";
  /** Absolute. */
  readonly path: string;
}

export interface ModelRootsOptions {
  /** `models` in the state directory. */
  readonly modelsDirectory: string;
  readonly config: Pick<Config, "model_roots" | "huggingface_cache" | "lm_studio">;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home directory. */
  readonly home: string;
}

/** Every place models are looked for, in order of precedence: our own, the configured, then those of other programs. */
export function modelRoots({ modelsDirectory, config, env, home }: ModelRootsOptions): ModelRoot[] {
  return [
    folders(modelsDirectory),
    ...config.model_roots.map(folders),
    ...chosen(config.huggingface_cache, () => [huggingFaceCache(env, home)]).map(cache),
    ...chosen(config.lm_studio, () => lmStudioFolders(home)).map(folders),
  ];
}

/** A path in the configuration is the only place; `true` means where the other program keeps its models. */
function chosen(setting: string | boolean, usual: () => string[]): string[] {
  if (typeof setting === "string") return [setting];
  return setting ? usual() : [];
}

/** As huggingface_hub decides it. */
function huggingFaceCache(env: ModelRootsOptions["env"], home: string): string {
  const named = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  if (named) return withHome(named, home);
  const hfHome = env.HF_HOME || join(env.XDG_CACHE_HOME || join(home, ".cache"), "huggingface");
  return join(withHome(hfHome, home), "hub");
}

/** The present place and the one of versions before 0.3.6. */
function lmStudioFolders(home: string): string[] {
  return [join(home, ".lmstudio", "models"), join(home, ".cache", "lm-studio", "models")];
}

function withHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path;
}

function folders(path: string): ModelRoot {
  return { kind: "folders", path };
}

function cache(path: string): ModelRoot {
  return { kind: "huggingface-cache", path };
}
