import type { Config } from "../../shared/config.ts";
import { type ConfigSource, EXTERNAL_SETTINGS } from "./config-sources.ts";

/** Keys whose values open a door. */
const SECRETS: readonly string[] = ["api_keys", "admin_keys"] satisfies (keyof Config)[];

/** One value of the configuration. */
export interface ShownValue {
  /** `timeouts.hold_seconds` for a value inside another. */
  readonly key: string;
  /** Keys are masked. */
  readonly value: unknown;
  readonly source: ConfigSource;
  /** The file, variable or flag it came from; null for a default. */
  readonly from: string | null;
}

/** Every value of a configuration with its origin, fit to be shown. */
export function shownValues(
  config: Config,
  sources: Readonly<Record<string, ConfigSource>>,
  configFile: string,
): ShownValue[] {
  const { timeouts, ...others } = config;
  const all = [
    ...Object.entries(others).map(([key, value]): [string, unknown] => [key, masked(key, value)]),
    ...Object.entries(timeouts).map(([key, value]): [string, unknown] => [`timeouts.${key}`, value]),
  ];
  return all.map(([key, value]) => {
    const source = sources[key] ?? "default";
    return { key, value, source, from: originOf(key, source, configFile) };
  });
}

function masked(key: string, value: unknown): unknown {
  return SECRETS.includes(key) && Array.isArray(value) ? value.map(() => "****") : value;
}

function originOf(key: string, source: ConfigSource, configFile: string): string | null {
  const setting = EXTERNAL_SETTINGS.find((one) => one.key === key);
  switch (source) {
    case "default":
      return null;
    case "file":
      return configFile;
    case "environment":
      return setting?.variable ?? null;
    case "flag":
      return setting?.flag?.spelling ?? null;
    default:
      return source satisfies never;
  }
}
