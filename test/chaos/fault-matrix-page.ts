import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rowCallsIn } from "../support/row-calls.ts";
import { FAULT_MATRIX, type RowId } from "./matrix.ts";

const ROOT = join(import.meta.dirname, "../..");

/** One test of a row. */
export interface RowTest {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly file: string;
  readonly isSlow: boolean;
}

/** Rows, or parts of them, that tests of single parts prove with faults no real process can be given. */
const ELSEWHERE: readonly Omit<RowTest, "isSlow">[] = [
  {
    id: "R1",
    kind: "policy",
    file: "test/store/durable-file.test.ts",
    name: "starts empty, and says so, when the backup is broken too; both stay for a person to look at",
  },
  {
    id: "R2",
    kind: "policy",
    file: "test/store/durable-file.test.ts",
    name: '["ENOSPC", "EIO", "EROFS"]',
  },
  {
    id: "R3",
    kind: "real",
    file: "test/store/kill-while-writing.test.ts",
    name: "times leaves a whole file each time, with the last row it acknowledged",
  },
  {
    id: "R4",
    kind: "policy",
    file: "test/store/compatibility-registry.test.ts",
    name: "holds 2000 rows, the oldest dropped first, proofs last; 100000 events are no burden",
  },
];

/** Rows of a later version, and why. */
export const LATER: Readonly<Partial<Record<RowId, string>>> = {
  W1b: "comes with the continuation of streams",
  W1c: "comes with the continuation of streams",
  W1d: "comes with the continuation of streams",
  W1e: "comes with the continuation of streams",
};

/** Every test of the matrix, as the sources name it. @throws when one that is named elsewhere is not there any more */
export function rowTests(): RowTest[] {
  const tests = rowCallsIn("test/chaos", ["row", "slowRow"], 3).map(
    ({ call, texts: [id = "", kind = "", name = ""], file }) => ({
      id,
      kind,
      name,
      file,
      isSlow: call === "slowRow",
    }),
  );
  for (const { file, name } of ELSEWHERE)
    if (!readFileSync(join(ROOT, file), "utf8").includes(name)) throw new Error(`${file} has no "${name}"`);
  return [...tests, ...ELSEWHERE.map((test) => ({ ...test, isSlow: false }))];
}

/** docs/fault-matrix.md, written from the tests. */
export function faultMatrixPage(): string {
  const tests = rowTests();
  const rows = Object.entries(FAULT_MATRIX).map(([id, { fault, expected }]) => {
    const own = tests.filter((test) => test.id === id).map(testText);
    const proof = own.length > 0 ? own.join("<br>") : (LATER[id as RowId] ?? "");
    return `| ${id} | ${cell(fault)} | ${cell(expected)} | ${proof} |`;
  });
  return `${INTRODUCTION}
| row | fault | what must come of it | tests |
|---|---|---|---|
${rows.join("\n")}
`;
}

function testText({ kind, name, file, isSlow }: RowTest): string {
  return `\`${kind}\` ${cell(name)} ([${file.split("/").at(-1)}](../${file})${isSlow ? ", slow" : ""})`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

const INTRODUCTION = `# Fault matrix

<!-- Generated from test/chaos. After a change there: UPDATE_DOCS=1 npx vitest run test/chaos/fault-matrix-page.test.ts -->

Every fault the service must survive, and the tests that inflict it on real processes: a supervisor, its workers, its HTTP
port. \`real\` is the shipped worker on a tiny model, \`fixture\` a scripted worker with one bad habit
(test/fixtures/workers/chaos), \`policy\` the pure decisions under a made-up clock or a faulty file system.

While a fault happens a second model streams all the time. Its text must stay the same, \`/livez\` must answer within a
second, every request must end exactly once, and afterwards no process, zombie, open file or memory may be left and the
registry must parse. Failures of a worker must stand in the log with their class and cause.

Times are scaled down in configuration. Bounds in assertions are ten times the figures below: a test tells what holds,
the benchmark how fast.

\`npm test\` runs all but the slow ones; \`npm run chaos\` runs everything, \`npm run chaos -- -t W21\` one row. A test that
cannot fail proves nothing: \`npm run guards\` takes the lines that make a row hold out of a copy of the sources, one row
after the other, and sees its tests fail (test/chaos/guards.ts).
`;
