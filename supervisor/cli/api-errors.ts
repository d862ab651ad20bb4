import { z } from "zod";
import { CliError } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { printable } from "./printable.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

/** Nobody listens there, or the connection broke. */
export function noAnswer(
  { name, socketPath }: Pick<SupervisorAddress, "name" | "socketPath">,
  thrown: unknown,
): CliError {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const code =
    cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "no_answer";
  if (socketPath !== null && (code === "EACCES" || code === "EPERM")) return notYours(name);
  const why =
    code === "ECONNREFUSED"
      ? ""
      : ` (${code === "no_answer" && cause instanceof Error ? cause.message : code})`;
  const next = `Start it with "lmx serve", or name another address with --url.`;
  return new CliError(
    EXIT_CODES.unavailable.code,
    "no_supervisor",
    `No Opta-LMX answers at ${name}${why}. ${next}`,
  );
}

/** The supervisor there is another user's, who alone steers it without a key. */
export function notYours(name: string): CliError {
  return new CliError(
    EXIT_CODES.permission.code,
    "not_your_supervisor",
    `${name} belongs to another user, who alone steers that supervisor without a key. Name its address with --url, or set OPTA_LMX_HOME to a directory of yours.`,
  );
}

const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    code: z.string().nullable().catch(null),
    details: z.record(z.string(), z.unknown()).nullish().catch(null),
  }),
});

/** An error answer of the API; `door` says which key would have opened it. */
export function refusal(
  name: string,
  status: number,
  answer: unknown,
  door: "admin" | "api" = "admin",
): CliError {
  const parsed = errorSchema.safeParse(answer);
  if (!parsed.success) return unexpected(name, `it answered HTTP ${status}`);
  const { message, details } = parsed.data.error;
  const code = parsed.data.error.code ?? `http_${status}`;
  const next = code === "invalid_api_key" ? KEY_STEPS[door] : NEXT_STEPS[code];
  return new CliError(
    exitCodeOf(code, status),
    code,
    [printable(message), next].filter(Boolean).join("\n"),
    details ?? null,
  );
}

/** What to do after an error whose message cannot know about this command line. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  model_not_found: `See which models there are with "lmx models".`,
  model_unstable: `See why with "lmx ps"; let it be tried with "lmx release <model>".`,
  safe_mode: `Load one model with "lmx load <model> --override-safe-mode", or end it with "lmx safe-mode leave".`,
};

const KEY_STEPS = {
  admin: "Name the address with --url, and give the admin key with --admin-key or OPTA_LMX_ADMIN_KEYS.",
  api: "Name the address with --url, and give the key with --api-key or OPTA_LMX_API_KEYS.",
} as const;

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

/** An answer that no Opta-LMX of this version gives. */
export function unexpected(name: string, what: string): CliError {
  const message = `${name} does not speak like this version of Opta-LMX: ${what}. Check the address and "lmx --version".`;
  return new CliError(EXIT_CODES.protocol.code, "unexpected_answer", message);
}
