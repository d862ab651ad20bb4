import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Every name begins with this; what follows are vLLM's nouns where vLLM has the thing. */
const PREFIX = "opta_lmx_";

/** Seconds, from a warm small model to a long prompt on a big one. */
const FIRST_TOKEN_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Seconds: 1,000 down to 1 token per second, and stalls. */
const TOKEN_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5];
const REQUEST_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];
/** A request is held for 30 s by default. */
const QUEUE_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];
/** A load may take 600 s by default. */
const LOAD_BUCKETS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const CANARY_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** All instruments of one registry. Labels are bounded: catalogue ids, words of our own tables, never what clients send. */
export function createInstruments(registry: Registry) {
  const make = makers(registry);
  return { ...ofRequests(make), ...ofModels(make), ...ofService(make) };
}

export type Instruments = ReturnType<typeof createInstruments>;

function makers(registry: Registry) {
  const options = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) => ({
    name: `${PREFIX}${name}`,
    help,
    labelNames,
    registers: [registry],
  });
  const counter = <Label extends string>(name: string, help: string, ...labels: Label[]) =>
    new Counter(options(name, help, labels));
  const gauge = <Label extends string>(name: string, help: string, ...labels: Label[]) =>
    new Gauge(options(name, help, labels));
  const seconds = (name: string, help: string, buckets: number[]) =>
    new Histogram({ ...options(name, help, ["model_name"]), buckets });
  return { counter, gauge, seconds };
}

type Makers = ReturnType<typeof makers>;

function ofRequests({ counter, gauge, seconds }: Makers) {
  return {
    waiting: gauge("num_requests_waiting", "Requests no worker has taken yet", "model_name"),
    running: gauge("num_requests_running", "Requests a worker has taken and not finished", "model_name"),
    promptTokens: counter("prompt_tokens_total", "Prompt tokens of requests a worker took", "model_name"),
    generatedTokens: counter("generation_tokens_total", "Tokens generated", "model_name"),
    finished: counter(
      "request_success_total",
      "Generations that came to their end: stop, length or tool_calls",
      "model_name",
      "finished_reason",
    ),
    firstToken: seconds(
      "time_to_first_token_seconds",
      "From the arrival of a request to its first token",
      FIRST_TOKEN_BUCKETS,
    ),
    betweenTokens: seconds("inter_token_latency_seconds", "Between two tokens of a request", TOKEN_BUCKETS),
    request: seconds(
      "e2e_request_latency_seconds",
      "From the arrival of a request to its end, of those that came to it",
      REQUEST_BUCKETS,
    ),
    queue: seconds(
      "request_queue_time_seconds",
      "From the arrival of a request until a worker has taken it",
      QUEUE_BUCKETS,
    ),
    errors: counter("errors_total", "Requests that ended with an error, by code", "code"),
    disconnects: counter("client_disconnects_total", "Clients that left before their answer was complete"),
  };
}

function ofModels({ counter, gauge, seconds }: Makers) {
  return {
    state: gauge("model_state", "1 for the state a model is in, 0 for the others", "model_name", "state"),
    exits: counter("worker_exits_total", "Workers that ended, by cause", "model_name", "cause"),
    restarts: counter("worker_restarts_total", "Workers started to replace one that failed", "model_name"),
    quarantines: counter(
      "quarantines_total",
      "Quarantines that began, by rule: threshold, slow-flap, probation, probe-failed or operator",
      "model_name",
      "rule",
    ),
    load: seconds("load_duration_seconds", "Loads that came to their end", LOAD_BUCKETS),
    canary: seconds("canary_duration_seconds", "Canaries that passed", CANARY_BUCKETS),
    memory: gauge(
      "worker_memory_bytes",
      "What a worker's allocator holds: active, peak or cache",
      "model_name",
      "kind",
    ),
    modelMemory: gauge(
      "model_memory_bytes",
      "What the ledger holds for a model: granted, or measured at its worker",
      "model_name",
      "kind",
    ),
  };
}

function ofService({ counter, gauge }: Makers) {
  return {
    spareWorkers: gauge("spare_workers", "Workers that wait for a model, their imports done"),
    ledger: gauge(
      "memory_ledger_bytes",
      "What all models together may take and what stays reserved, is held and is free: limit, reserve, held or free",
      "kind",
    ),
    machineMemory: gauge("machine_memory_bytes", "Memory of the machine: total or available", "kind"),
    eventLoopLag: gauge(
      "event_loop_lag_seconds",
      "How late the supervisor's timers come, 99th percentile of the last 30 to 60 seconds",
    ),
    connections: gauge("connections", "Connections of clients: open, and the limit of them", "kind"),
    refusedConnections: counter(
      "refused_connections_total",
      "Connections that were dropped at the limit, new ones and idle ones that gave way",
    ),
  };
}
