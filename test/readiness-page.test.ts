import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import {
  READINESS_DETAILS,
  READINESS_STATES,
  type ReadinessDetail,
  type ReadinessState,
  readinessSchema,
} from "../shared/readiness.ts";
import { refusal } from "../supervisor/cluster/load-errors.ts";
import { publicDetail, publicState } from "../supervisor/cluster/model-view.ts";
import { errorReply } from "../supervisor/http/error-reply.ts";
import { NO_FAILURES, QUARANTINE_DEFAULTS } from "../supervisor/policy/failure-record.ts";
import { decideHold } from "../supervisor/policy/hold.ts";
import { type Model, type ModelState, NEW_MODEL, NO_OVERRIDES } from "../supervisor/policy/model-state.ts";
import { SERVICE_REASONS } from "../supervisor/service-status.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "readiness.md");

const STATES: Readonly<Record<ReadinessState, { meaning: string; operator: string }>> = {
  unloaded: {
    meaning: "on disk, no worker; after a refusal that may pass, `reason` says which",
    operator: "`lmx load`, `lmx probe`",
  },
  admitted: {
    meaning: "asked for: it is being checked, waits for its turn (one load at a time), or for its next try",
    operator: "wait; `lmx load` does not wait for the next try; `lmx unload` takes it back",
  },
  loading: { meaning: "its worker reads the weights", operator: "wait, `lmx events --follow`" },
  canary_pending: { meaning: "in memory, not proven yet", operator: "wait" },
  routable: { meaning: "proven, and serving", operator: "`lmx unload`, `lmx restart`, `lmx quarantine`" },
  quarantined: {
    meaning: "kept out: by a verdict on its files or runtime, by failures in a row, or by an operator",
    operator:
      "`lmx dossiers show`, `lmx release`; after a verdict change the files, or load it with an override",
  },
};

const DETAILS: Readonly<Record<ReadinessDetail, string>> = {
  backoff: "its worker died; `next_attempt_at` says when the next one starts",
  half_open: "the one try of a quarantined model",
  probation:
    "back from quarantine: one request at a time, for ten minutes and five requests; a failure leads back",
  draining: "running requests finish, new ones are refused",
  stalled: "it has work and has made no step for a while; it is ended when that goes on",
};

const WHEN: Readonly<Record<(typeof SERVICE_REASONS)[number], string>> = {
  draining: "the service is stopping",
  safe_mode: "it starts without loading anything, after three unclean ends in a row",
  worker_runtime_broken: "no Python worker can be started; tried again every 30 seconds",
  no_model_routable: "`auto_load` names models, and none of them, nor any other, serves yet",
};

const NOW = 1_000_000;
const reason = { code: "worker_crashed", cause: "native_segv", message: "it died" };
const unstable = {
  code: "model_unstable",
  cause: "native_segv",
  message: "it failed several times in a row",
};
const kept = (until: number | null): Model["record"] => ({
  ...NO_FAILURES,
  failures: 3,
  level: 1,
  standing: { kind: "quarantined", until, rule: "threshold", cause: "native_segv" },
});
const at = (state: ModelState, record = NO_FAILURES): Model => ({ ...NEW_MODEL, state, record });
const coming = { reason: null, notBefore: 0, permit: "none" } as const;

/** Every situation a request can find a model in, and whether it may start one. */
const SITUATIONS: readonly (readonly [words: string, model: Model, mayStart: boolean])[] = [
  ["may be started by a request", at({ kind: "unloaded", reason: null }), true],
  ["may not", at({ kind: "unloaded", reason: null }), false],
  ["being checked", at({ kind: "checking", attempt: 1, overrides: NO_OVERRIDES }), false],
  [
    "its next try is within the hold time",
    at({ kind: "admitted", ...coming, reason, notBefore: NOW + 1 }),
    false,
  ],
  ["its next try is later", at({ kind: "admitted", ...coming, reason, notBefore: NOW + 45_000 }), false],
  ["", at({ kind: "loading", worker: 1 }), false],
  ["", at({ kind: "canary", worker: 1 }), false],
  ["", at({ kind: "routable", worker: 1 }), false],
  ["", at({ kind: "draining", worker: 1 }), false],
  [
    "its time has not passed",
    at({ kind: "quarantined", reason: unstable, by: "failures" }, kept(NOW + 1)),
    true,
  ],
  ["its time has passed", at({ kind: "quarantined", reason: unstable, by: "failures" }, kept(NOW - 1)), true],
  [
    "by a verdict",
    at({ kind: "quarantined", reason: { ...unstable, code: "model_incomplete" }, by: "verdict" }),
    true,
  ],
];

/** What a request is told, by the code that tells it. */
function answerOf(model: Model, mayStart: boolean): string {
  const facts = { now: NOW, wallNow: NOW, numbers: QUARANTINE_DEFAULTS, deadline: NOW + 30_000, mayStart };
  const decision = decideHold(model, facts);
  switch (decision.kind) {
    case "serve":
      return "answered";
    case "hold":
      return "held; when the time is up 409 `model_not_ready`, retry";
    case "start":
      return "started, then held";
    default: {
      const error = refusal("m", decision);
      const { status, headers } = errorReply(error, "openai");
      const retry =
        headers["x-should-retry"] === "true" ? `retry after ${headers["retry-after"]} s` : "no retry";
      return `${status} \`${error.code}\`, ${retry}`;
    }
  }
}

function requestRows(): string[][] {
  return SITUATIONS.map(([words, model, mayStart]) => {
    const detail = publicDetail(model);
    const state = `\`${publicState(model)}\`${detail === null ? "" : ` (\`${detail}\`)`}`;
    return [words === "" ? state : `${state}, ${words}`, answerOf(model, mayStart)];
  });
}

function fieldRows(): string[][] {
  const { properties } = z.toJSONSchema(readinessSchema, { io: "output" });
  const words: Readonly<Record<string, string>> = {
    state: "one of the states above",
    detail: "one of the details above, or null",
    next_attempt_at: "when the next worker starts, in `backoff`; else null",
    quarantine:
      "`level`, `until` (null: until an operator's word, or until the files change) and the newest dossier",
  };
  return Object.entries(properties ?? {}).map(([name, property]) => {
    const { description } = property as { description?: string };
    return [`\`${name}\``, words[name] ?? description ?? expect.fail(`nothing is said about ${name}`)];
  });
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (values: readonly string[]) => `| ${values.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

const TABLES: Readonly<Record<string, string>> = {
  states: table(
    ["state", "meaning", "what an operator can do"],
    READINESS_STATES.map((state) => [`\`${state}\``, STATES[state].meaning, STATES[state].operator]),
  ),
  details: table(
    ["detail", "meaning"],
    READINESS_DETAILS.map((detail) => [`\`${detail}\``, DETAILS[detail]]),
  ),
  requests: table(["model", "a request is"], requestRows()),
  fields: table(["field", "meaning"], fieldRows()),
  readyz: table(
    ["`reason`", "when"],
    SERVICE_REASONS.map((word) => [`\`${word}\``, WHEN[word]]),
  ),
};

it("docs/readiness.md has the tables of the code (UPDATE_DOCS=1 writes them)", async () => {
  let page = await readFile(PAGE, "utf8");
  for (const [name, text] of Object.entries(TABLES)) {
    const section = new RegExp(`<!-- table: ${name} -->\n\n[\\s\\S]*?<!-- end -->`);
    expect(page).toMatch(section);
    page = page.replace(section, () => `<!-- table: ${name} -->\n\n${text}\n\n<!-- end -->`);
  }
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, page);
  expect(await readFile(PAGE, "utf8")).toBe(page);
});

it("every public state is one of a situation a request can meet", () => {
  const met = new Set(SITUATIONS.map(([, model]) => publicState(model)));
  expect([...met].toSorted()).toEqual([...READINESS_STATES].toSorted());
});
