import type { CliIo } from "../../supervisor/cli/command.ts";
import { runCli } from "../../supervisor/cli/run-cli.ts";
import type { ConfigFlags } from "../../supervisor/config/config-sources.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { SINCE } from "./fake-supervisor.ts";

/** One command line run to its end: exit code, both outputs, and the flags `serve` was called with. */
export async function lmx(
  args: readonly string[],
  env: Record<string, string> = {},
  io: Partial<CliIo> = {},
) {
  const home = env.OPTA_LMX_HOME ?? (await temporaryDirectory());
  const out: string[] = [];
  const err: string[] = [];
  const served: ConfigFlags[] = [];
  const code = await runCli(
    args,
    {
      stdout: { write: (text) => out.push(text) },
      stderr: { write: (text) => err.push(text) },
      env: { OPTA_LMX_HOME: home, HOME: home, ...env },
      isTTY: false,
      now: () => Date.parse(SINCE) + 90_000,
      delay: () => Promise.resolve(),
      ...io,
    },
    {
      version: "1.2.3",
      serve: async (flags) => {
        served.push(flags);
        return 0;
      },
    },
  );
  return { code, out: out.join(""), err: err.join(""), served };
}
