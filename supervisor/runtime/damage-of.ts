import { PROOF } from "./build-runtime.ts";
import { runPython } from "./run-python.ts";
import type { Runtime } from "./runtime-marker.ts";

/** Imports of a disk that has just woken up take long. */
const TIMEOUT_MS = 120_000;

/** Why a runtime does not import what a worker needs, in its last words; null: it does. Never rejects. */
export async function damageOf(
  { python }: Pick<Runtime, "python">,
  environment: NodeJS.ProcessEnv,
): Promise<string | null> {
  const options = { environment, timeoutMs: TIMEOUT_MS };
  const { failed, stderr, shortMessage } = await runPython(python, PROOF, options);
  if (!failed) return null;
  return stderr.trim().split("\n").at(-1) || (shortMessage ?? "its Python does not run");
}
