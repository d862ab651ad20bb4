import type { z } from "zod";
import { noAnswer, refusal, unexpected } from "./api-errors.ts";
import type { CommandInput } from "./command.ts";
import { findSupervisor, type SupervisorAddress } from "./find-supervisor.ts";

/** Longest wait for one answer. Only an unload waits: for running requests to finish. */
const ANSWER_TIMEOUT_MS = 660_000;

/** Speaks to the admin API of a running supervisor. */
export interface AdminClient {
  readonly url: string;
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T>;
}

/** The supervisor a command line means. @throws ConfigError, CliError */
export function connect(input: CommandInput): AdminClient {
  return adminClient(findSupervisor(input));
}

/** The admin API at this address. */
export function adminClient({ url, adminKey: key }: SupervisorAddress): AdminClient {
  return {
    url,
    get: (path, schema) => ask({ url, key, path, method: "GET" }, schema),
    post: (path, body, schema) => ask({ url, key, path, method: "POST", body }, schema),
  };
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
