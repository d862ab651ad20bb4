import { z } from "zod";
import { readAddress } from "../host/address-file.ts";
import { type LoadedConfig, loadConfig } from "../load-config.ts";
import { CliError, type CliIo, type CommandInput, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { printable } from "./printable.ts";

/** Longest wait for one answer. Only an unload waits: for running requests to finish. */
const ANSWER_TIMEOUT_MS = 660_000;

/** Options of every command that talks to a supervisor. */
export const CONNECTION_OPTIONS = {
  url: { type: "string" },
  "admin-key": { type: "string" },
  config: { type: "string" },
  json: { type: "boolean" },
} as const;

export const CONNECTION_HELP = `  --url URL         where the supervisor listens (OPTA_LMX_URL; otherwise the one that runs on this state directory)
  --admin-key KEY   key for /admin (OPTA_LMX_ADMIN_KEYS; otherwise admin_keys of the configuration)
  --config FILE     the configuration to read these from
  --json            print one JSON document instead of text`;

/** Speaks to the admin API of a running supervisor. */
export interface AdminClient {
  readonly url: string;
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T>;
}

/** Where to find the supervisor: option, then environment, then configuration. @throws ConfigError, CliError */
export function connect({ values, io }: CommandInput): AdminClient {
  const givenUrl = textOption(values, "url") ?? (io.env.OPTA_LMX_URL || undefined);
  const givenKey = textOption(values, "admin-key") ?? firstOf(io.env.OPTA_LMX_ADMIN_KEYS);
  // With an explicit address the configuration is not read: it may be broken, and its keys are for another server.
  const local = givenUrl === undefined ? localConfig(textOption(values, "config"), io) : null;
  const url = checkedUrl(givenUrl ?? localUrl(local));
  const key = givenKey ?? local?.config.admin_keys[0];
  return {
    url,
    get: (path, schema) => ask({ url, key, path, method: "GET" }, schema),
    post: (path, body, schema) => ask({ url, key, path, method: "POST", body }, schema),
  };
}

function localConfig(file: string | undefined, { env }: CliIo): LoadedConfig {
  return loadConfig({ flags: file === undefined ? {} : { config: file }, env });
}

/** A running supervisor knows its address better than the configuration: flags may have changed it. */
function localUrl(local: LoadedConfig | null): string {
  const noted = local === null ? null : readAddress(local.paths.addressFile);
  return noted ?? urlOf(local?.config.host ?? "127.0.0.1", local?.config.port ?? 0);
}

function firstOf(list: string | undefined): string | undefined {
  return list
    ?.split(",")
    .map((item) => item.trim())
    .find((item) => item !== "");
}

/** The address a client on this machine uses for a server bound to that host. */
export function urlOf(host: string, port: number): string {
  if (port === 0) {
    throw new CliError(
      EXIT_CODES.usage.code,
      "no_address",
      "The configuration lets the system choose the port; name the supervisor with --url.",
    );
  }
  // A server on all interfaces is reached on this one.
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" || host === "[::]" ? "::1" : host;
  return `http://${reachable.includes(":") && !reachable.startsWith("[") ? `[${reachable}]` : reachable}:${port}`;
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliError(
      EXIT_CODES.usage.code,
      "no_address",
      `Expected an address such as http://127.0.0.1:1234, got ${printable(text)}.`,
    );
  }
  return url.href.replace(/\/+$/, "");
}

interface Question {
  readonly url: string;
  readonly key: string | undefined;
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly body?: object;
}

async function ask<T>(question: Question, schema: z.ZodType<T>): Promise<T> {
  const { url, key, path, method, body } = question;
  let status: number;
  let text: string;
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(key === undefined ? {} : { "x-admin-key": key }),
        ...(body ? { "content-type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    status = response.status;
    text = await response.text();
  } catch (thrown) {
    throw noAnswer(url, thrown);
  }
  const answer = parseJson(text);
  if (status >= 400) throw refusal(url, status, answer);
  const checked = schema.safeParse(answer);
  if (checked.success) return checked.data;
  throw unexpected(url, `${method} ${path} answered ${status}`);
}

function noAnswer(url: string, thrown: unknown): CliError {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const code =
    cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "no_answer";
  const why =
    code === "ECONNREFUSED"
      ? ""
      : ` (${code === "no_answer" && cause instanceof Error ? cause.message : code})`;
  const next = `Start it with "lmx serve", or name another address with --url.`;
  return new CliError(
    EXIT_CODES.unavailable.code,
    "no_supervisor",
    `No Opta-LMX answers at ${url}${why}. ${next}`,
  );
}

const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    code: z.string().nullable().catch(null),
    details: z.record(z.string(), z.unknown()).nullish().catch(null),
  }),
});

function refusal(url: string, status: number, answer: unknown): CliError {
  const parsed = errorSchema.safeParse(answer);
  if (!parsed.success) return unexpected(url, `it answered HTTP ${status}`);
  const { message, details } = parsed.data.error;
  const code = parsed.data.error.code ?? `http_${status}`;
  const next = NEXT_STEPS[code];
  return new CliError(
    exitCodeOf(code, status),
    code,
    [printable(message), next].filter(Boolean).join("\n"),
    details ?? null,
  );
}

/** What to do after an error whose message cannot know about this command line. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  invalid_api_key: "Give the admin key with --admin-key or OPTA_LMX_ADMIN_KEYS.",
  model_not_found: `See which models there are with "lmx ps --all".`,
  model_unstable: `See why with "lmx ps".`,
};

/** The exit code for an error of the API's table. */
export function exitCodeOf(code: string, status: number): number {
  if (status === 401 || status === 403) return EXIT_CODES.permission.code;
  if (code === "model_not_found") return EXIT_CODES.noModel.code;
  const isTemporary = [
    "model_not_ready",
    "server_is_overloaded",
    "worker_runtime_broken",
    "rate_limit_exceeded",
  ].includes(code);
  return isTemporary ? EXIT_CODES.temporary.code : EXIT_CODES.failed.code;
}

function unexpected(url: string, what: string): CliError {
  const message = `${url} does not speak like this version of Opta-LMX: ${what}. Check the address and "lmx --version".`;
  return new CliError(EXIT_CODES.protocol.code, "unexpected_answer", message);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
