import { runCli } from "./cli/run-cli.ts";
import { packageFiles } from "./host/package-files.ts";

const { stdout, stderr, env } = process;
const argv = process.argv.slice(2);

// Whoever read the output left (`lmx logs | head`): a command has nothing more to do, a service goes on.
stdout.on("error", () => {
  if (argv[0] !== "serve") process.exit(0);
});
stderr.on("error", () => {});

const code = await runCli(
  argv,
  {
    stdout,
    stderr,
    // Opened by the command that reads it.
    get stdin() {
      return process.stdin;
    },
    env,
    isTTY: stderr.isTTY === true,
  },
  {
    version: packageFiles().version,
    // Of no use to the other commands, and most of the program.
    serve: async (flags) => (await import("./service/serve.ts")).serve(flags),
  },
);
// What is written to a pipe waits in memory, and an exit would cut it off. A service does not wait for its reader.
if (argv[0] !== "serve") await Promise.all([flushed(stdout), flushed(stderr)]);
process.exit(code);

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}
