import { spawn } from "node:child_process";
import { once } from "node:events";

/** One command of a check. */
export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a step, shows its output only if it fails, and resolves with whether it passed. */
export async function runQuietly({ name, command: [file, ...args], cwd, env }: Step): Promise<boolean> {
  const started = performance.now();
  const child = spawn(file, args, { cwd, env: env ?? process.env, stdio: ["ignore", "pipe", "pipe"] });
  const output: Buffer[] = [];
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (chunk: Buffer) => output.push(chunk));
  const code = await exitCode(child);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (code !== 0) process.stdout.write(Buffer.concat(output));
  return code === 0;
}

/** Runs a step with its output shown as it comes; resolves with the exit code. */
export async function runLoudly({ name, command: [file, ...args], cwd, env }: Step): Promise<number> {
  console.log(`\n== ${name}`);
  return await exitCode(
    spawn(file, args, { cwd, env: env ?? process.env, stdio: ["ignore", "inherit", "inherit"] }),
  );
}

async function exitCode(child: ReturnType<typeof spawn>): Promise<number> {
  try {
    const [code] = await once(child, "close");
    return typeof code === "number" ? code : 1;
  } catch (error) {
    console.log(String(error));
    return 127;
  }
}
