import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkSteps } from "./check-steps.ts";
import { type PythonTools, pythonTools } from "./python-tools.ts";
import { runLoudly, runQuietly } from "./run-step.ts";

const PARTS = ["check", "vitest", "pytest"] as const;
const ROOT = join(import.meta.dirname, "..");

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const HELP = `Usage: npm test -- [--only ${PARTS.join("|")}] [filters for vitest or pytest]

Types, style and docs (check), the TypeScript tests (vitest) and the worker's (pytest). The last line counts them.`;

const { values, positionals } = readArguments();
if (values.help === true) {
  console.log(HELP);
  process.exit(0);
}
if (values.only !== undefined && !(PARTS as readonly string[]).includes(values.only)) {
  console.error(`npm test -- --only takes ${PARTS.join(", ")}; got ${values.only}`);
  process.exit(64);
}

const scratch = await mkdtemp(join(tmpdir(), "lmx-npm-test-"));
const total: Count = { passed: 0, failed: 0, skipped: 0 };
try {
  const tools = await pythonTools();
  const runs = { check: () => check(tools), vitest: () => vitest(), pytest: () => pytest(tools) };
  for (const part of PARTS.filter((name) => values.only === undefined || values.only === name))
    add(await runs[part]());
} finally {
  await rm(scratch, { recursive: true, force: true });
}
console.log(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`,
);
process.exitCode = total.failed === 0 ? 0 : 1;

function readArguments() {
  try {
    const options = { only: { type: "string" }, help: { type: "boolean", short: "h" } } as const;
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(64);
  }
}

function add(count: Count): void {
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}

async function check(tools: PythonTools): Promise<Count> {
  console.log("\n== check");
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const step of checkSteps(tools)) {
    if (await runQuietly(step)) count.passed += 1;
    else count.failed += 1;
  }
  return count;
}

async function vitest(): Promise<Count> {
  const report = join(scratch, "vitest.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const command = [
    join(ROOT, "node_modules", ".bin", "vitest"),
    "run",
    ...reporters,
    ...positionals,
  ] as const;
  const code = await runLoudly({ name: "vitest", command: [...command], cwd: ROOT });
  const json = await readReport(report);
  const number = (key: string) => Number(/* absent counts as none */ json?.[key] ?? 0);
  return honest(code, {
    passed: number("numPassedTests"),
    failed: number("numFailedTests"),
    skipped: number("numPendingTests") + number("numTodoTests"),
  });
}

async function pytest({ python, environment }: PythonTools): Promise<Count> {
  const report = join(scratch, "pytest.xml");
  const args = ["-m", "pytest", "-q", "-p", "no:cacheprovider", `--junit-xml=${report}`, ...positionals];
  const code = await runLoudly({
    name: "pytest",
    command: [python, ...args],
    cwd: join(ROOT, "worker"),
    env: environment,
  });
  const xml = await readFile(report, "utf8").catch(() => "");
  const number = (key: string) =>
    Number(new RegExp(`<testsuite [^>]*\\b${key}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const [tests, failed, skipped] = [
    number("tests"),
    number("failures") + number("errors"),
    number("skipped"),
  ];
  return honest(code, { passed: tests - failed - skipped, failed, skipped });
}

/** A runner that fell over, or ran nothing, has failed whatever it counted. */
function honest(code: number, count: Count): Count {
  const nothing = count.passed + count.failed === 0;
  return count.failed === 0 && (code !== 0 || nothing) ? { ...count, failed: 1 } : count;
}

async function readReport(path: string): Promise<Record<string, unknown> | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as Record<string, unknown>);
}
