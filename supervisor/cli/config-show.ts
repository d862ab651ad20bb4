import type { Config } from "../../shared/config.ts";
import { EXTERNAL_SETTINGS } from "../config/config-sources.ts";
import { type LoadedConfig, loadConfig } from "../config/load-config.ts";
import { type Command, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatTable, printable } from "./printable.ts";
import { stylesFor } from "./styles.ts";

/** Keys whose values open a door. */
const SECRETS: readonly (keyof Config)[] = ["api_keys", "admin_keys"];

/** One value of the configuration. */
interface ShownValue {
  /** `timeouts.hold_seconds` for a value inside another. */
  readonly key: string;
  readonly value: unknown;
  readonly source: string;
  /** The variable or file it came from; null for a default. */
  readonly from: string | null;
}

export const configShowCommand: Command = {
  name: "config show",
  arguments: [],
  summary: "show every setting, its value and its origin",
  options: { config: { type: "string" }, json: { type: "boolean" } },
  help: `Shows what "lmx serve" would use here and now: the file and the environment over the defaults. Keys are not shown,
only how many there are. A running supervisor may have been started with other flags.

Options:
  --config FILE     the configuration to read (default config.yaml in the state directory)
  --json            print one JSON document instead of text

Examples:
  lmx config show
  OPTA_LMX_PORT=8123 lmx config show --json`,
  run: async ({ io, values }) => {
    const file = textOption(values, "config");
    const loaded = loadConfig({ flags: file === undefined ? {} : { config: file }, env: io.env });
    const shown = shownValues(loaded);
    if (values.json === true) {
      io.stdout.write(`${JSON.stringify({ paths: loaded.paths, values: shown }, null, 2)}\n`);
      return EXIT_CODES.ok.code;
    }
    const { bold, dim } = stylesFor(io.stdout, io.env);
    const rows = shown.map(({ key, value, source, from }) => [key, valueText(value), from ?? source]);
    const lines = formatTable([["KEY", "VALUE", "FROM"], ...rows], (cell, row) => {
      if (row === 0) return bold(cell);
      return shown[row - 1]?.source === "default" ? dim(cell) : cell;
    });
    const places = `State directory: ${printable(loaded.paths.stateDirectory)}`;
    io.stdout.write(`${[...lines, "", places].join("\n")}\n`);
    return EXIT_CODES.ok.code;
  },
};

function shownValues({ config, sources, paths }: LoadedConfig): ShownValue[] {
  const { timeouts, ...others } = config;
  const all = [
    ...Object.entries(others).map(([key, value]): [string, unknown] => [key, masked(key, value)]),
    ...Object.entries(timeouts).map(([key, value]): [string, unknown] => [`timeouts.${key}`, value]),
  ];
  return all.map(([key, value]) => {
    const source = sources[key] ?? "default";
    return { key, value, source, from: originOf(key, source, paths.configFile) };
  });
}

function masked(key: string, value: unknown): unknown {
  if (!SECRETS.some((secret) => secret === key) || !Array.isArray(value)) return value;
  return value.map(() => "****");
}

function originOf(key: string, source: string, configFile: string): string | null {
  if (source === "file") return configFile;
  if (source !== "environment") return null;
  return EXTERNAL_SETTINGS.find((setting) => setting.key === key)?.variable ?? null;
}

function valueText(value: unknown): string {
  if (typeof value === "string") return printable(value);
  return printable(JSON.stringify(value));
}
