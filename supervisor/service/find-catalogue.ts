import { homedir } from "node:os";
import type { Logger } from "pino";
import { warnOfExposedPaths } from "../config/exposed-paths.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import type { PackageFiles } from "../host/package-files.ts";
import { type Catalogue, createCatalogue } from "../models/catalogue.ts";
import { withAliases } from "../models/live-aliases.ts";
import { DEMO_MODEL_ID, modelRoots } from "../models/model-roots.ts";

/** A disk that is slow, or gone, holds up neither the start nor an operator for longer. Milliseconds. */
const SCAN_PATIENCE_MS = 5_000;

export interface CatalogueParts {
  readonly loaded: LoadedConfig;
  readonly files: PackageFiles;
  /** In force now. */
  aliases(): LoadedConfig["config"]["aliases"];
  readonly log: Logger;
}

/** The models of a service, looked for once. Paths that others may write to are warned of meanwhile. */
export async function findCatalogue({ loaded, files, aliases, log }: CatalogueParts): Promise<Catalogue> {
  const { config, paths } = loaded;
  const surroundings = { env: process.env, home: homedir() };
  const onDisk = createCatalogue({
    roots: modelRoots({ modelsDirectory: paths.modelsDirectory, config, ...surroundings }),
    embedded: [{ id: DEMO_MODEL_ID, path: files.demoModelDirectory }],
    log,
    patienceMs: SCAN_PATIENCE_MS,
  });
  const catalogue = withAliases(onDisk, aliases);
  await catalogue.refresh();
  const modelDirectory = async (id: string) => catalogue.resolve(id)?.path ?? null;
  void warnOfExposedPaths({ loaded, modelDirectory, ...surroundings }, log);
  return catalogue;
}
