import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig } from "../supervisor/config/load-config.ts";
import { packageFiles } from "../supervisor/host/package-files.ts";
import { ensureRuntime } from "../supervisor/runtime/ensure-runtime.ts";
import { showRuntimeProgress } from "../supervisor/runtime/show-runtime-progress.ts";
import { ABUSE_GUARDS } from "../test/abuse/guards.ts";
import { GUARDS as CHAOS_GUARDS, type Edit, editsOf, type Guard } from "../test/chaos/guards.ts";

/**
 * Can the fault matrix and the abuse suite fail? Takes the guard of each row out of a copy of the sources and runs the
 * row's tests, which must fail: `npm run guards`, or `npm run guards -- W5 B3` for some.
 */
const ROOT = join(import.meta.dirname, "..");
/** A test that waits for what cannot come any more is given up sooner than in earnest. Milliseconds. */
const TEST_TIMEOUT_MS = "60000";
const SUITES = [
  { directory: "test/chaos", guards: CHAOS_GUARDS },
  { directory: "test/abuse", guards: ABUSE_GUARDS },
];
/** By the row's id, which no other suite has. */
const GUARDS: Readonly<Record<string, Guard & { readonly directory: string }>> = Object.fromEntries(
  SUITES.flatMap(({ directory, guards }) =>
    Object.entries(guards).map(([id, guard]) => [id, { ...guard, directory }]),
  ),
);

const wanted = process.argv.slice(2);
if (wanted.includes("--help") || wanted.includes("-h")) {
  console.log(`Usage: npm run guards -- [rows]

Takes the guard of each row of the fault matrix and the abuse suite out of a copy of the sources and runs the row's
tests, which must fail.
Without rows all ${Object.keys(GUARDS).length} are tried, which takes an hour or two.

Rows: ${Object.keys(GUARDS).join(" ")}`);
  process.exit(0);
}
const unknown = wanted.filter((id) => !(id in GUARDS));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(", ")}; the rows are ${Object.keys(GUARDS).join(", ")}.`);
  process.exit(64);
}
const { runtimesDirectory } = loadConfig().paths;
const { requirementsLock } = packageFiles();
await ensureRuntime({
  runtimesDirectory,
  lockFile: requirementsLock,
  onProgress: showRuntimeProgress(process.stderr),
});

const copy = mkdtempSync(join(tmpdir(), "lmx-guards-"));
process.once("exit", () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
copySources();
let [failed, held] = [0, 0];
for (const [id, guard] of Object.entries(GUARDS)) {
  if (wanted.length > 0 && !wanted.includes(id)) continue;
  const started = performance.now();
  const { hasFailed, reason } = await runWithout(id, guard);
  if (hasFailed) failed += 1;
  else held += 1;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `${hasFailed ? "ok  " : "HELD"} ${id} without its guard in ${guard.file} (${seconds} s): ${reason}`,
  );
}
console.log(`${failed} rows fail without their guards, ${held} do not`);
process.exitCode = held === 0 ? 0 : 1;

function copySources(): void {
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
  });
  for (const file of files
    .toString()
    .split("\0")
    .filter((name) => name !== "")) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(ROOT, file), join(copy, file));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
}

async function runWithout(
  id: string,
  guard: (typeof GUARDS)[string],
): Promise<{ hasFailed: boolean; reason: string }> {
  const undo = editsOf(guard).map(takeOut);
  try {
    return await runTests(id, guard);
  } finally {
    for (const putBack of undo.toReversed()) putBack();
  }
}

/** @returns what puts it back */
function takeOut({ file, remove, put }: Edit): () => void {
  const path = join(copy, file);
  const whole = readFileSync(path, "utf8");
  const without = whole.replace(remove, () => put);
  writeFileSync(path, without);
  return () => writeFileSync(path, whole);
}

/** One failure is enough. */
async function runTests(
  id: string,
  { tests, directory }: (typeof GUARDS)[string],
): Promise<{ hasFailed: boolean; reason: string }> {
  const which = tests === undefined ? [directory, "-t", `${id}: `] : [...tests];
  const vitest = join(copy, "node_modules/.bin/vitest");
  const env = {
    ...process.env,
    CHAOS: "all",
    ABUSE: "quick",
    NO_COLOR: "1",
    CHAOS_TIMEOUT_MS: TEST_TIMEOUT_MS,
    OPTA_LMX_RUNTIMES: runtimesDirectory,
  };
  const child = spawn(vitest, ["run", "--bail", "1", ...which], {
    cwd: copy,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  const error = /(?:\w*Error|Unhandled \w+): .*/.exec(output)?.[0].slice(0, 160);
  return { hasFailed: code !== 0, reason: error ?? (code === 0 ? "its tests pass" : "its tests fail") };
}
