import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { workerCommand } from "../supervisor/process/worker-command.ts";
import { testApp } from "./http/test-app.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "security.md");
const DOCS = join(import.meta.dirname, "..", "docs", "openapi.json");
/** Stands for whatever a shell may have set. */
const FROM_SHELL = "from the shell";

const GIVEN: Readonly<Record<string, string>> = {
  PYTHONPATH: "where the worker's own package is",
  PYTHONUNBUFFERED: "its last words arrive",
  PYTHONNOUSERSITE: "no packages of the user's",
  PYTHONUTF8: "text is UTF-8 whatever the locale",
  HF_HUB_OFFLINE: "nothing is fetched",
  TRANSFORMERS_OFFLINE: "nothing is fetched",
  TOKENIZERS_PARALLELISM: "no threads that outlive a fork",
  TMPDIR: "a directory of its own",
  MLX_DISABLE_COMPILE: "on Linux: no compiler is started, and no cache of machine code shared",
  LD_PRELOAD: "on Linux, with `preload_openblas`: the system's OpenBLAS",
  OPENBLAS_NUM_THREADS: "with it: one thread",
};

function environmentOfWorker(): Readonly<Record<string, string>> {
  const everything = new Proxy({}, { get: () => FROM_SHELL });
  return workerCommand({
    python: "python",
    workerDirectory: "/worker",
    temporaryDirectory: "/tmp/own",
    token: "t",
    platform: "linux",
    openBlas: "/lib/libopenblas.so",
    environment: everything,
  }).env;
}

/** Which key a path asks for: none, an admin key, an inference key, or either. */
async function keyOf(path: string, method: string): Promise<string> {
  const config = { api_keys: ["inference-key"], admin_keys: ["operator-key"] };
  const { app } = testApp({ config });
  const request = async (headers: Record<string, string>) =>
    (await app.request(path.replace(/\{.*?\}/g, "x"), { method, headers })).status !== 401;
  if (await request({})) return "none";
  const admin = await request({ "x-admin-key": "operator-key" });
  const inference = await request({ authorization: "Bearer inference-key" });
  if (admin && inference) return "either kind";
  return admin ? "an admin key" : inference ? "an inference key" : "nobody's";
}

async function keyRows(): Promise<string[][]> {
  const { paths } = JSON.parse(await readFile(DOCS, "utf8")) as { paths: Record<string, object> };
  const byKey = new Map<string, Set<string>>();
  for (const [path, methods] of Object.entries(paths))
    for (const method of Object.keys(methods)) {
      const key = await keyOf(path, method.toUpperCase());
      const shown = path.startsWith("/admin") ? "/admin/…" : path.replace("{id}", "…");
      byKey.set(key, (byKey.get(key) ?? new Set()).add(`\`${shown}\``));
    }
  return [...byKey].map(([key, shown]) => [[...shown].join(", "), key]);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (values: readonly string[]) => `| ${values.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

it("docs/security.md has the tables of the code (UPDATE_DOCS=1 writes them)", async () => {
  const env = environmentOfWorker();
  const inherited = Object.keys(env).filter((name) => env[name] === FROM_SHELL);
  const given = Object.keys(env).filter((name) => env[name] !== FROM_SHELL);
  const tables: Readonly<Record<string, string>> = {
    keys: table(["path", "key"], await keyRows()),
    inherited: inherited.map((name) => `\`${name}\``).join(", "),
    given: table(
      ["variable", "why"],
      given.map((name) => [`\`${name}\``, GIVEN[name] ?? expect.fail(`nothing is said about ${name}`)]),
    ),
  };
  let page = await readFile(PAGE, "utf8");
  for (const [name, text] of Object.entries(tables)) {
    const section = new RegExp(`<!-- table: ${name} -->\n\n[\\s\\S]*?<!-- end -->`);
    expect(page).toMatch(section);
    page = page.replace(section, () => `<!-- table: ${name} -->\n\n${text}\n\n<!-- end -->`);
  }
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, page);
  expect(await readFile(PAGE, "utf8")).toBe(page);
});
