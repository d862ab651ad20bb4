import { runCli } from "./cli/run-cli.ts";
import { packageFiles } from "./host/package-files.ts";
import { serve } from "./serve.ts";

const { stdout, stderr, env } = process;

const code = await runCli(
  process.argv.slice(2),
  { stdout, stderr, env, isTTY: stderr.isTTY === true },
  {
    version: packageFiles().version,
    serve,
  },
);
process.exit(code);
