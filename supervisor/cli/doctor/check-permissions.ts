import { homedir } from "node:os";
import { exposedPaths } from "../../config/exposed-paths.ts";
import type { LoadedConfig } from "../../config/load-config.ts";
import type { CliIo } from "../command.ts";
import { localCatalogue } from "../local-catalogue.ts";
import { type DoctorCheck, pass, warn } from "./doctor-check.ts";

/** Whether others can change what the service relies on, or read its keys. */
export async function checkPermissions(loaded: LoadedConfig, env: CliIo["env"]): Promise<DoctorCheck[]> {
  const name = "permissions";
  const exposures = await exposedPaths({
    loaded,
    env,
    home: env.HOME || homedir(),
    modelDirectory: async (id) => (await localCatalogue(loaded, env)).resolve(id)?.path ?? null,
  });
  if (exposures.length === 0) return [pass(name, "nobody else can change what the service relies on")];
  return exposures.map(({ problem, nextStep }) => warn(name, problem, nextStep));
}
