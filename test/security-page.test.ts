import { readFile } from "node:fs/promises";
import { maxHeaderSize } from "node:http";
import { join } from "node:path";
import { expect, it } from "vitest";
import { configPaths } from "../supervisor/config/load-config.ts";
import { logFileIn, workerLogIn } from "../supervisor/host/log-file.ts";
import type { HttpConfig } from "../supervisor/http/app-context.ts";
import { INFERENCE_LIMITS } from "../supervisor/http/body/body-limits.ts";
import { workerCommand } from "../supervisor/workers/worker-command.ts";
import { testApp } from "./http/test-app.ts";
import { expectPageParts } from "./support/page-parts.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "security.md");
/** Stands for whatever a shell may have set. */
const FROM_SHELL = "from the shell";

const GIVEN: Readonly<Record<string, string>> = {
  PYTHONPATH: "where the worker's own package is",
  PYTHONSAFEPATH: "nothing is imported from the directory the service was started in",
  PYTHONUNBUFFERED: "its last words arrive",
  PYTHONNOUSERSITE: "no packages of the user's",
  PYTHONUTF8: "text is UTF-8 whatever the locale",
  HF_HUB_OFFLINE: "nothing is fetched",
  TRANSFORMERS_OFFLINE: "nothing is fetched",
  TOKENIZERS_PARALLELISM: "no threads that outlive a fork",
  TMPDIR: "a directory of its own",
  OPTA_LMX_DEADMAN_SECONDS: "when it ends itself because the supervisor is silent",
  OPTA_LMX_WORKER: "a random text, by which what it has started is found when it is gone",
  MLX_DISABLE_COMPILE: "on Linux: no compiler is started, and no cache of machine code shared",
  LD_PRELOAD: "on Linux, with `preload_openblas`: the system's OpenBLAS",
  OPENBLAS_NUM_THREADS: "with it: one thread",
};

/** What is in a place of the state directory; null: the directory itself. */
const HOLDS: Readonly<Record<keyof ReturnType<typeof configPaths>, string | null>> = {
  stateDirectory: null,
  configFile: "yours; read, never written",
  registryFile: "what was loaded on which runtime, and how it went",
  auditFile:
    "who said what to which model: address, the first eight digits of the key's SHA-256, the reason given",
  quarantineFile: "failures of each model, and until when it is kept out",
  startsFile: "when the service started, and whether it ended in order",
  intentsFile: "loads that were not over yet",
  workersFile: "process ids of workers, so that a later start finds what was left behind",
  dossiersDirectory: "deaths of workers: cause, last words, stacks, memory, ids of the requests in flight",
  lockFile: "process id of the service that has the directory",
  addressFile: "where it listens, for the commands",
  adminSocket: "the commands' way in; needs no key, and takes whoever may write this file: you",
  modelsDirectory: "yours; models, in `<org>/<name>`",
  runtimesDirectory: "Python environments",
};

/** Made without a path of their own in the configuration. */
const OTHERS: readonly (readonly [place: (state: string) => string, holds: string])[] = [
  [(state) => logFileIn(join(state, "logs")), "one line for each fact; the newest 50 MiB"],
  [
    (state) => workerLogIn(join(state, "logs"), "<model>"),
    "what workers wrote to stderr; the newest 4 MiB of each model",
  ],
  [(state) => join(state, "tmp"), "temporary directories of workers, emptied at each start"],
  [(state) => join(state, "cache"), "compiled code of `lmx` itself"],
];

function environmentOfWorker(): Readonly<Record<string, string>> {
  const everything = new Proxy({}, { get: () => FROM_SHELL });
  return workerCommand({
    python: "python",
    workerDirectory: "/worker",
    temporaryDirectory: "/tmp/own",
    token: "t",
    platform: "linux",
    openBlas: "/lib/libopenblas.so",
    deadmanSeconds: 90,
    environment: everything,
  }).env;
}

const API = { api_keys: ["inference-key"] };
const ADMIN = { admin_keys: ["operator-key"] };
const CONFIGURED: readonly Partial<HttpConfig>[] = [{}, API, ADMIN, { ...API, ...ADMIN }];

/** Which key a path asks for under a configuration. */
async function keyOf(path: string, method: string, config: Partial<HttpConfig>): Promise<string> {
  const { app } = testApp({ config });
  const opens = async (headers: Record<string, string>) =>
    (await app.request(path.replaceAll(/:id(?:\{.*?\})?/g, "x"), { method, headers })).status !== 401;
  if (await opens({})) return "none";
  const keys = [
    ["an inference key as `X-Admin-Key`", { "x-admin-key": "inference-key" }],
    ["an admin key", { "x-admin-key": "operator-key" }],
    ["an inference key", { authorization: "Bearer inference-key" }],
  ] as const;
  const known: string[] = [];
  for (const [words, headers] of keys) if (await opens(headers)) known.push(words);
  // Where any header will do, it is the kind of key that matters.
  if (known.includes("an inference key")) return known.filter((one) => !one.includes("as")).join(" or ");
  return known.join(" or ");
}

/** The paths of the app as they are registered, in groups that ask for the same keys. */
async function keyRows(): Promise<string[][]> {
  const routes = testApp().app.routes.filter(({ method }) => method !== "ALL");
  const unique = new Map(routes.map(({ method, path }) => [`${method} ${path}`, { method, path }]));
  const groups = new Map<string, Set<string>>();
  for (const { method, path } of unique.values()) {
    const keys = await Promise.all(CONFIGURED.map((config) => keyOf(path, method, config)));
    const shown = path.startsWith("/admin") ? "/admin/…" : path.replace(/:id.*/, "…");
    const group = keys.join("|");
    groups.set(group, (groups.get(group) ?? new Set()).add(`\`${shown}\``));
  }
  return [...groups].map(([keys, paths]) => [[...paths].join(", "), ...keys.split("|")]);
}

function fileRows(): string[][] {
  const paths = configPaths({ env: {}, home: "/home" });
  const named = Object.entries(HOLDS).flatMap(([name, holds]) =>
    holds === null ? [] : [[paths[name as keyof typeof HOLDS], holds] as const],
  );
  const others = OTHERS.map(([place, holds]) => [place(paths.stateDirectory), holds] as const);
  const shown = (path: string) => decodeURIComponent(path.slice(paths.stateDirectory.length + 1));
  return [...named, ...others].map(([path, holds]) => [`\`${shown(path)}\``, holds]);
}

function bodyRows(): string[][] {
  return Object.entries(INFERENCE_LIMITS.fields).map(([name, { values, bytes }]) => [
    name === "other" ? "all others together" : `\`${name}\``,
    values.toLocaleString("en"),
    bytes === INFERENCE_LIMITS.bytes ? "as the body" : `${bytes / 2 ** 10} KiB`,
  ]);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  expect(rows.length, `rows under ${header[0]}`).toBeGreaterThan(1);
  const line = (values: readonly string[]) => `| ${values.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

async function securityParts(): Promise<Readonly<Record<string, string>>> {
  const env = environmentOfWorker();
  const inherited = Object.keys(env).filter((name) => env[name] === FROM_SHELL);
  const given = Object.keys(env).filter((name) => env[name] !== FROM_SHELL);
  const kinds = ["no keys", "only `api_keys`", "only `admin_keys`", "both"];
  return {
    keys: table(["path", ...kinds], await keyRows()),
    inherited: inherited.map((name) => `\`${name}\``).join(", "),
    given: table(
      ["variable", "why"],
      given.map((name) => [`\`${name}\``, GIVEN[name] ?? expect.fail(`nothing is said about ${name}`)]),
    ),
    files: table(["file", "holds"], fileRows()),
    body: table(["field", "values", "bytes"], bodyRows()),
  };
}

it("docs/security.md has the tables of the code (UPDATE_DOCS=1 writes them)", async () => {
  await expectPageParts(PAGE, await securityParts());
});

it("the page names the limits of the code", async () => {
  const page = await readFile(PAGE, "utf8");
  expect(page).toContain(`| body | ${INFERENCE_LIMITS.bytes / 2 ** 20} MiB,`);
  expect(page).toContain(`| headers | ${maxHeaderSize / 2 ** 10} KiB,`);
});
