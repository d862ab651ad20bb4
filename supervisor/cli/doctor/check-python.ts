import { advisoriesAgainst } from "../../policy/admission/advisories.ts";
import { damageOf } from "../../runtime/damage-of.ts";
import { findPython } from "../../runtime/find-python.ts";
import { locateRuntime, runtimePlace } from "../../runtime/locate-runtime.ts";
import { exposedRuntime, RuntimeBuildError } from "../../runtime/runtime-build-error.ts";
import { runtimeExposure } from "../../runtime/runtime-exposure.ts";
import type { Runtime } from "../../runtime/runtime-marker.ts";
import { type DoctorCheck, fail, pass, warn } from "./doctor-check.ts";

export interface PythonPlaces {
  readonly stateDirectory: string;
  readonly runtimesDirectory: string;
  readonly requirementsLock: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The interpreter, the runtime made with it, whether that imports what workers need, and what is known against it. */
export async function checkPython({
  stateDirectory,
  runtimesDirectory,
  requirementsLock,
  env,
}: PythonPlaces): Promise<DoctorCheck[]> {
  const place = await runtimePlace(runtimesDirectory, requirementsLock, env);
  const { directory } = place;
  const exposure = await runtimeExposure({ directory, runtimesDirectory, within: stateDirectory });
  // Nor does the doctor run what others could have changed.
  if (exposure !== null) {
    const { message, nextStep } = exposedRuntime(exposure);
    return [await checkInterpreter(env, true), fail("runtime", message, nextStep)];
  }
  const runtime = await locateRuntime(place, env);
  const [interpreter, damage] = await Promise.all([
    checkInterpreter(env, runtime !== null),
    runtime === null ? null : damageOf(runtime, env),
  ]);
  return [interpreter, ...checkRuntime(runtime, directory, damage)];
}

async function checkInterpreter(env: NodeJS.ProcessEnv, hasRuntime: boolean): Promise<DoctorCheck> {
  try {
    const { executable, version } = await findPython(env);
    return pass("python", `${version} (${executable})`);
  } catch (error) {
    if (!(error instanceof RuntimeBuildError)) throw error;
    // A runtime that stands needs no other interpreter until it is built anew.
    return (hasRuntime ? warn : fail)("python", error.message, error.nextStep);
  }
}

/**
 * @param directory where the runtime is, or would be
 * @param damage why it does not import what workers need; null: it does, or was not asked
 */
export function checkRuntime(
  runtime: Runtime | null,
  directory: string,
  damage: string | null = null,
): DoctorCheck[] {
  if (runtime === null) {
    const next = `"lmx serve" builds it at its first start; that takes a minute and the network.`;
    return [warn("runtime", `not built yet in ${directory}`, next)];
  }
  if (damage !== null) {
    const next = `Stop the service, remove the directory (rm -r '${directory}') and start "lmx serve": it builds it again.`;
    return [fail("runtime", `${directory} is damaged: ${damage}`, next)];
  }
  const { mlx, mlx_lm } = runtime.versions;
  const advisories = advisoriesAgainst({
    backend: "mlx-lm",
    backendVersion: mlx_lm,
    mlxVersion: mlx,
    platform: process.platform,
  });
  return [
    pass("runtime", directory),
    pass("mlx", mlx),
    pass("mlx-lm", mlx_lm),
    ...(advisories.length === 0
      ? [pass("advisories", `nothing is known against mlx ${mlx} and mlx-lm ${mlx_lm}`)]
      : advisories.map((advisory) => {
          const detail = `${advisory.package} ${advisory.range}: ${advisory.summary}`;
          const next = `Use another version of ${advisory.package}; ${advisory.source}`;
          return (advisory.level === "refuse" ? fail : warn)("advisories", detail, next);
        })),
  ];
}
