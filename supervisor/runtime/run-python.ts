import { execa } from "execa";
import { installerEnvironment } from "./installer-environment.ts";

/** Runs a short program, isolated: only what is installed with this interpreter counts. Never rejects. */
export async function runPython(
  python: string,
  program: string,
  { environment, timeoutMs }: { readonly environment: NodeJS.ProcessEnv; readonly timeoutMs: number },
) {
  return await execa(python, ["-I", "-c", program], {
    env: installerEnvironment(environment),
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
}
