/**
 * The one table of errors: what a code means, its HTTP status and whether a client should try again.
 * Statuses and codes marked *seed* are fixed: operators script against them.
 */

/** What the table holds for one code. */
export interface ErrorRow {
  /** HTTP status for an inference or general request. */
  readonly status: number;
  /** HTTP status on admin routes, where it differs. */
  readonly adminStatus?: number;
  /** `error.type` in the OpenAI envelope. */
  readonly openaiType: string;
  /** `error.type` in the Anthropic envelope. */
  readonly anthropicType: string;
  /** Default of the `x-should-retry` header; an error may say otherwise for its own case. */
  readonly retryable: boolean;
  /** When it happens, in a few words; the documentation page prints it. */
  readonly when: string;
}

const invalid = {
  openaiType: "invalid_request_error",
  anthropicType: "invalid_request_error",
  retryable: false,
};
const unavailable = { openaiType: "server_error", anthropicType: "overloaded_error" };

export const ERRORS = {
  model_unsupported_arch: {
    ...invalid,
    status: 422,
    when: "the installed mlx_lm has no such architecture, or the model needs custom code",
  },
  model_unsupported_backend: {
    ...invalid,
    status: 422,
    when: "the runtime signature is blocked, or the weights need another backend or quantisation",
  },
  model_incomplete: {
    ...invalid,
    status: 400,
    adminStatus: 409,
    when: "files are missing or damaged; the message names them",
  },
  model_not_ready: {
    ...invalid,
    // Clients that go by the type, not by the headers, would take it for a mistake of theirs and not come again.
    openaiType: "server_error",
    status: 409,
    retryable: true,
    when: "the model is loading or not loaded; retry only while it is coming",
  },
  model_unstable: { ...invalid, status: 409, when: "the model is quarantined after repeated failures" },
  model_canary_failed: { ...invalid, status: 409, when: "the model loaded but failed its canary" },
  model_not_found: {
    ...invalid,
    anthropicType: "not_found_error",
    status: 404,
    when: "no model or alias of this name",
  },
  model_load_timeout: {
    ...unavailable,
    anthropicType: "api_error",
    status: 504,
    retryable: false,
    when: "an explicit load stalled or took longer than its cap",
  },
  model_loader_crashed: {
    ...unavailable,
    anthropicType: "api_error",
    status: 502,
    retryable: false,
    when: "the worker died during an explicit load",
  },
  insufficient_memory: {
    ...unavailable,
    status: 503,
    adminStatus: 507,
    retryable: false,
    when: "the model does not fit into the memory that is left",
  },
  worker_crashed: {
    ...unavailable,
    status: 503,
    retryable: true,
    when: "the worker died before the first byte of the answer",
  },
  context_length_exceeded: {
    ...invalid,
    status: 400,
    when: "the prompt does not fit into the model's context",
  },
  request_suspected: { ...invalid, status: 400, when: "this request was in flight at two crashes" },
  rate_limit_exceeded: {
    openaiType: "rate_limit_error",
    anthropicType: "rate_limit_error",
    status: 429,
    retryable: true,
    when: "the queue is full, or the server holds all the requests it has memory for",
  },
  server_is_overloaded: { ...unavailable, status: 503, retryable: true, when: "the server is draining" },
  safe_mode: {
    ...unavailable,
    status: 503,
    retryable: false,
    when: "the service is in crash-loop safe mode",
  },
  worker_runtime_broken: {
    ...unavailable,
    status: 503,
    retryable: true,
    when: "the Python environment cannot start a worker",
  },
  invalid_request_error: { ...invalid, status: 400, when: "the request is malformed; param names the field" },
  unsupported_parameter: {
    ...invalid,
    status: 400,
    when: "the field is known but this server or model cannot do it",
  },
  not_found: { ...invalid, anthropicType: "not_found_error", status: 404, when: "no such path" },
  request_too_large: {
    ...invalid,
    anthropicType: "request_too_large",
    status: 413,
    when: "the body or the encoded request is over its cap",
  },
  request_timeout: {
    ...invalid,
    status: 408,
    retryable: true,
    when: "the headers or the body came too slowly; the connection is closed",
  },
  unsupported_media_type: { ...invalid, status: 415, when: "the content type is not application/json" },
  method_not_allowed: { ...invalid, status: 405, when: "the path exists, the method does not" },
  invalid_api_key: {
    openaiType: "authentication_error",
    anthropicType: "authentication_error",
    status: 401,
    retryable: false,
    when: "a key is configured and the request carries none or a wrong one",
  },
  forbidden_origin: {
    openaiType: "permission_error",
    anthropicType: "permission_error",
    status: 403,
    retryable: false,
    when: "the Host, Origin or Sec-Fetch-Site header is not one this server answers",
  },
  forbidden_proxy: {
    openaiType: "permission_error",
    anthropicType: "permission_error",
    status: 403,
    retryable: false,
    when: "no key is configured for this path, and the request came through a proxy that is not trusted (`trusted_proxy`)",
  },
  internal_error: {
    openaiType: "server_error",
    anthropicType: "api_error",
    status: 500,
    retryable: false,
    when: "a bug in the supervisor, never a model's fault",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Row of a code, widened so that optional columns can be read. */
export function errorRow(code: ErrorCode): ErrorRow {
  return ERRORS[code];
}

export interface LmxErrorOptions {
  /** The request field at fault, as a path such as `messages.0.content`. */
  readonly param?: string;
  /** Overrides the row's `retryable`. */
  readonly retryable?: boolean;
  /** Seconds until a retry makes sense, 1–60; sent as `Retry-After` on retryable errors only. */
  readonly retryAfterSeconds?: number;
  /** Checks, numbers and next step for admin routes. Never a prompt or a key. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Which process it arose in; default: this one. */
  readonly origin?: ErrorOrigin;
}

export type ErrorOrigin = "supervisor" | "worker";

/** The only error class that crosses a module boundary. Its message says what was expected, what was found and the next step. */
export class LmxError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | null;
  readonly details: Readonly<Record<string, unknown>> | null;
  readonly origin: ErrorOrigin;

  constructor(code: ErrorCode, message: string, options: LmxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LmxError";
    this.code = code;
    this.origin = options.origin ?? "supervisor";
    this.param = options.param ?? null;
    this.retryable = options.retryable ?? errorRow(code).retryable;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
    this.details = options.details ?? null;
  }
}

/** About how long a restart takes. */
const RESTART_SECONDS = 5;

/** The service was asked to stop: nothing new is begun. */
export function serverStopping(): LmxError {
  const message = "The server is stopping and begins nothing new; retry in a few seconds.";
  return new LmxError("server_is_overloaded", message, { retryAfterSeconds: RESTART_SECONDS });
}

/** Anything thrown, as an LmxError; what is not one already is a bug of ours and becomes `internal_error`. */
export function toLmxError(thrown: unknown): LmxError {
  if (thrown instanceof LmxError) return thrown;
  return new LmxError(
    "internal_error",
    "Internal error; the server log has the details under this request id.",
    {
      cause: thrown,
    },
  );
}
