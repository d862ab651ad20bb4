import { editsOf } from "../chaos/guards.ts";
import { rowCallsIn } from "../support/row-calls.ts";
import { ABUSE_GUARDS } from "./guards.ts";
import { ABUSE_MATRIX, type AbuseId } from "./matrix.ts";

/** One test of a row. */
interface AbuseTest {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  readonly isSlow: boolean;
}

/** Every test of the suite, as the sources name it. */
export function abuseTests(): AbuseTest[] {
  return rowCallsIn("test/abuse", ["abuse", "slowAbuse"], 2).map(
    ({ call, texts: [id = "", name = ""], file }) => ({ id, name, file, isSlow: call === "slowAbuse" }),
  );
}

/** docs/abuse.md, written from the tests. */
export function abusePage(): string {
  const tests = abuseTests();
  const rows = Object.entries(ABUSE_MATRIX).map(([id, { abuse, expected }]) => {
    const own = tests.filter((test) => test.id === id).map(testText);
    return `| ${[id, abuse, expected, guardText(id as AbuseId), own.join("<br>")].map(cell).join(" | ")} |`;
  });
  return `${INTRODUCTION}
| row | what is sent | what must come of it | guard | tests |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

function guardText(id: AbuseId): string {
  const guard = ABUSE_GUARDS[id];
  const files = editsOf(guard).map(({ file }) => file);
  return [...new Set(files)].map((file) => `[${file.split("/").at(-1)}](../${file})`).join(", ");
}

function testText({ name, file, isSlow }: AbuseTest): string {
  return `${name} ([${file.split("/").at(-1)}](../${file})${isSlow ? ", slow" : ""})`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

const INTRODUCTION = `# Abuse

<!-- Generated from test/abuse. After a change there: UPDATE_DOCS=1 npx vitest run test/abuse/abuse-page.test.ts -->

What anybody may send, or be, and what must come of it: nothing that reaches the service ends it, freezes it or starves
others. Each row is done to a real supervisor with real workers, over real sockets; a worker that is hostile is a
scripted one (test/fixtures/workers/chaos).

While it happens a client beside it asks for streams and for \`/livez\`, from a thread of its own, fifty times a second on
a new connection each time. Whatever the row, this must hold:

- the supervisor is the same process, and its log has no error;
- \`/livez\` answers 99 of 100 times within 100 ms. How long a server that does nothing takes at the same moments is
  subtracted: that is the machine's doing;
- the supervisor's resident memory stays below 600 MiB, and 30 seconds later lies at most 64 MiB above where it was;
- the other client's streams are whole, say the same as before, and take at most four times as long, because attacker,
  supervisor and workers share the machine;
- no model is quarantined, no process is left;
- what was refused was refused clearly: a 4xx with a code, naming the field or the limit, in an answer of at most 8 KiB.

\`npm run abuse\` does everything, \`npm run abuse -- --only B1,C3\` some rows; each prints its figures. It wants a machine
that does nothing else: a service that has to wait for a processor is late without being held up. \`npm test\` runs
all but the slow ones, with smaller bodies and wide bounds: it tells that a row holds, \`npm run abuse\` how well. The
column *guard* names where the lines stand that make the row hold; \`npm run guards\` takes them out of a copy of the
sources, one row after the other, and sees its tests fail (test/abuse/guards.ts).
`;
