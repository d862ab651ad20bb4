import { delimiter } from "node:path";
import type { Config } from "../../shared/config.ts";

/** Flags of `lmx serve` as typed, not yet checked. */
export interface ConfigFlags {
  readonly host?: string;
  readonly port?: string;
  /** Path of the configuration file. */
  readonly config?: string;
  readonly logLevel?: string;
  /** Comma-separated model ids; empty for none. */
  readonly autoLoad?: string;
}

/** Where a value came from, in rising precedence. */
export type ConfigSource = "default" | "file" | "environment" | "flag";

/** How a configuration key is set from outside the file. */
export interface ExternalSetting {
  readonly key: keyof Config;
  readonly variable: string;
  readonly flag?: { readonly name: keyof ConfigFlags; readonly spelling: string };
  /** Text to the type of the key; text that cannot become it is handed on, so that the schema says what is wrong. */
  readonly read: (text: string) => unknown;
}

/** Every key that the environment or a flag can set; the others live in the file only. */
export const EXTERNAL_SETTINGS: readonly ExternalSetting[] = [
  { key: "host", variable: "OPTA_LMX_HOST", flag: { name: "host", spelling: "--host" }, read: asText },
  { key: "port", variable: "OPTA_LMX_PORT", flag: { name: "port", spelling: "--port" }, read: asNumber },
  { key: "api_keys", variable: "OPTA_LMX_API_KEYS", read: asList },
  { key: "admin_keys", variable: "OPTA_LMX_ADMIN_KEYS", read: asList },
  { key: "allowed_origins", variable: "OPTA_LMX_ALLOWED_ORIGINS", read: asList },
  { key: "model_roots", variable: "OPTA_LMX_MODEL_ROOTS", read: asPathList },
  {
    key: "auto_load",
    variable: "OPTA_LMX_AUTO_LOAD",
    flag: { name: "autoLoad", spelling: "--auto-load" },
    read: asList,
  },
  { key: "load_on_request", variable: "OPTA_LMX_LOAD_ON_REQUEST", read: asText },
  {
    key: "log_level",
    variable: "OPTA_LMX_LOG_LEVEL",
    flag: { name: "logLevel", spelling: "--log-level" },
    read: asText,
  },
];

function asText(text: string): unknown {
  return text;
}

function asNumber(text: string): unknown {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function asList(text: string): unknown {
  return splitList(text, ",");
}

function asPathList(text: string): unknown {
  return splitList(text, delimiter);
}

function splitList(text: string, separator: string): string[] {
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
