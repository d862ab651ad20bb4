import type { ConfigFlags } from "../config/config-sources.ts";
import { type Command, textOption } from "./command.ts";

export const serveCommand: Command = {
  name: "serve",
  arguments: [],
  summary: "run the supervisor and its API in this terminal",
  options: {
    host: { type: "string" },
    port: { type: "string" },
    config: { type: "string" },
    "log-level": { type: "string" },
    "auto-load": { type: "string" },
  },
  help: `Runs until Ctrl-C or SIGTERM, which lets running answers finish first. Every model runs in a process of its
own: one that crashes is restarted, and the API stays up.

Options:
  --host HOST        address to listen on; anything but this machine needs keys (default 127.0.0.1)
  --port PORT        port to listen on; 0 picks a free one (default 1234)
  --config FILE      configuration (default config.yaml in the state directory, ~/.opta-lmx or OPTA_LMX_HOME)
  --log-level LEVEL  trace, debug, info, warn, error or silent (default info)
  --auto-load IDS    models to load at start, comma-separated; "" for none (default lmx-demo)

Every value may also come from the environment or the file: docs/configuration.md has them all.

Examples:
  lmx serve
  lmx serve --port 8123 --auto-load ""
  OPTA_LMX_API_KEYS=secret-one OPTA_LMX_ADMIN_KEYS=secret-two lmx serve --host 0.0.0.0`,
  run: ({ values, services }) => {
    const flags = {
      host: textOption(values, "host"),
      port: textOption(values, "port"),
      config: textOption(values, "config"),
      logLevel: textOption(values, "log-level"),
      autoLoad: textOption(values, "auto-load"),
    };
    return services.serve(withoutAbsent(flags));
  },
};

function withoutAbsent(flags: { [K in keyof ConfigFlags]: string | undefined }): ConfigFlags {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}
