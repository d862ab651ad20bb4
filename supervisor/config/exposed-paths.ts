import type { Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Logger } from "pino";
import { ownAccount } from "../host/own-account.ts";
import { modelRoots } from "../models/model-roots.ts";
import { type Account, type Exposure, exposureOf, type PathUse } from "../policy/service/strict-modes.ts";
import type { LoadedConfig } from "./load-config.ts";

export interface ExposedPathsOptions {
  readonly loaded: Pick<LoadedConfig, "config" | "sources" | "paths">;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home directory. */
  readonly home: string;
  /** Where a model is; null: not on disk. Asked of models whose code is trusted alone. */
  readonly modelDirectory: (modelId: string) => Promise<string | null>;
  readonly account?: Account;
}

/**
 * What others could change, or read, although the service relies on it: its directory, the configuration, the places
 * models are looked for, and models whose code is run. The Python runtime is not among them: an exposed one is not used
 * at all (runtime/runtime-exposure.ts). What is not there is no exposure.
 */
export async function exposedPaths(options: ExposedPathsOptions): Promise<Exposure[]> {
  const account = options.account ?? ownAccount();
  const { config, paths } = options.loaded;
  const { modelsDirectory } = paths;
  const roots = modelRoots({ modelsDirectory, config, env: options.env, home: options.home });
  const uses = new Map<string, PathUse>([
    [paths.stateDirectory, { as: "entry" }],
    [paths.configFile, { as: "entry", isSecret: hasKeys(options.loaded) }],
    ...roots.map(({ path }) => [path, { as: "entry" }] as const),
    ...(await trustedModels(options)),
  ]);
  const found = await Promise.all(
    [...uses].map(async ([path, use]) => {
      const facts = await factsOf(path);
      return facts === null ? null : exposureOf(path, facts, account, use);
    }),
  );
  const exposures = found.filter((exposure) => exposure !== null);
  // Files of one directory are mended together, and told of once.
  return [
    ...new Map(exposures.toReversed().map((exposure) => [exposure.nextStep, exposure])).values(),
  ].toReversed();
}

/** A line of the log for each. Never rejects. */
export async function warnOfExposedPaths(
  options: ExposedPathsOptions,
  log: Pick<Logger, "warn">,
): Promise<void> {
  try {
    for (const { path, problem, nextStep } of await exposedPaths(options))
      log.warn({ path, next_step: nextStep }, problem);
  } catch (err) {
    log.warn({ err }, "who can change the service's files could not be found out");
  }
}

function hasKeys({ sources }: ExposedPathsOptions["loaded"]): boolean {
  return sources.api_keys === "file" || sources.admin_keys === "file";
}

/** The directories of models whose code is run, what is in them, and the directories they are in. */
async function trustedModels({
  loaded,
  modelDirectory,
}: ExposedPathsOptions): Promise<(readonly [string, PathUse])[]> {
  const trusted = Object.entries(loaded.config.models).filter(([, { trust_code }]) => trust_code);
  const uses = trusted.map(async ([id]): Promise<(readonly [string, PathUse])[]> => {
    const directory = await modelDirectory(id);
    if (directory === null) return [];
    const names = await readdir(directory).catch(() => []);
    return [
      [dirname(directory), { as: "parent" }],
      [directory, { as: "entry", tree: directory }],
      ...(await Promise.all(names.map((name) => fileOf(directory, name)))),
    ];
  });
  return (await Promise.all(uses)).flat();
}

/** What is mended is the file a link leads to: those of the Hugging Face cache are links. */
async function fileOf(directory: string, name: string): Promise<readonly [string, PathUse]> {
  const path = join(directory, name);
  const file = await realpath(path).catch(() => path);
  const isOutside = relative(directory, file).startsWith("..");
  return isOutside ? [file, { as: "entry" }] : [path, { as: "entry", tree: directory }];
}

async function factsOf(path: string): Promise<Stats | null> {
  return await stat(path).catch(() => null);
}
