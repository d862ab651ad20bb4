import type { z } from "zod";
import { noAnswer, refusal, unexpected } from "./api-errors.ts";
import type { CommandInput } from "./command.ts";
import { findSupervisor } from "./find-supervisor.ts";
import { type CliRequest, readJson, sendRequest } from "./send-request.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

/** Longest wait for one answer. Only an unload waits: for running requests to finish. */
const ANSWER_TIMEOUT_MS = 660_000;

/** Speaks to the admin API of a running supervisor. */
export interface AdminClient {
  /** What messages call the supervisor. */
  readonly name: string;
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T>;
}

/** The supervisor a command line means. @throws ConfigError, CliError */
export function connect(input: CommandInput): AdminClient {
  return adminClient(findSupervisor(input));
}

/** The admin API at this address. */
export function adminClient(address: SupervisorAddress): AdminClient {
  return {
    name: address.name,
    get: (path, schema) => ask(address, { path, method: "GET" }, schema),
    post: (path, body, schema) => ask(address, { path, method: "POST", body }, schema),
  };
}

async function ask<T>(
  address: SupervisorAddress,
  question: Pick<CliRequest, "method" | "path" | "body">,
  schema: z.ZodType<T>,
): Promise<T> {
  const { name, adminKey } = address;
  let status: number;
  let answer: unknown;
  try {
    const reply = await sendRequest(address, {
      ...question,
      headers: adminKey === undefined ? {} : { "x-admin-key": adminKey },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    status = reply.status;
    answer = await readJson(reply.body);
  } catch (thrown) {
    throw noAnswer(address, thrown);
  }
  if (status >= 300) throw refusal(name, status, answer);
  const checked = schema.safeParse(answer);
  if (checked.success) return checked.data;
  throw unexpected(name, `${question.method} ${question.path} answered ${status}`);
}
