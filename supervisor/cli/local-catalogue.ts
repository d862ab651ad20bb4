import { homedir } from "node:os";
import type { LoadedConfig } from "../config/load-config.ts";
import { packageFiles } from "../host/package-files.ts";
import { type Catalogue, createCatalogue } from "../models/catalogue.ts";
import { DEMO_MODEL_ID, modelRoots } from "../models/model-roots.ts";
import type { CliIo } from "./command.ts";

/** The models a supervisor of this configuration would find, as they are on disk now. */
export async function localCatalogue(
  { config, paths }: Pick<LoadedConfig, "config" | "paths">,
  env: CliIo["env"],
): Promise<Catalogue> {
  const { modelsDirectory } = paths;
  const catalogue = createCatalogue({
    roots: modelRoots({ modelsDirectory, config, env, home: env.HOME || homedir() }),
    embedded: [{ id: DEMO_MODEL_ID, path: packageFiles().demoModelDirectory }],
  });
  await catalogue.refresh();
  return catalogue;
}
