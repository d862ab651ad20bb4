import type { Check, MemoryVerdict, ProbeResult } from "../../shared/admin.ts";
import type { CliIo } from "./command.ts";
import { formatBytes, printable, printableLines } from "./printable.ts";
import { hasColours, type Styles, stylesFor } from "./styles.ts";

type Status = Check["status"];

/** Signs for a terminal that can show them; the words elsewhere can also be searched for. */
const SIGNS: Readonly<Record<Status, string>> = { pass: "\u2713", warn: "!", fail: "\u2717" };
const WORDS: Readonly<Record<Status, string>> = { pass: "ok  ", warn: "warn", fail: "FAIL" };

/** What a probe found, as text: the checks, the memory, and the verdict in the last line. */
export function probeText({ checks, memory, verdict, code }: ProbeResult, io: CliIo): string {
  const styles = stylesFor(io.stdout, io.env);
  const why = code === null ? "" : ` (${printable(code)})`;
  const colour = verdict === "admit" ? styles.green : styles.red;
  const lines = [
    ...checksTable(checks, styles, showsSigns(io) ? SIGNS : WORDS),
    "",
    memoryLine(memory),
    `verdict: ${colour(`${verdict}${why}`)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Whether stdout shows more than ASCII: a terminal with colours, in a UTF-8 locale. */
function showsSigns({ stdout, env }: CliIo): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  return hasColours(stdout, env) && /utf-?8/i.test(locale);
}

/** One line per check: mark, name, what was found; below it, unless it passes, what was expected and what to do. */
function checksTable(
  checks: readonly Check[],
  styles: Styles,
  marks: Readonly<Record<Status, string>>,
): string[] {
  const colours = { pass: styles.green, warn: styles.yellow, fail: styles.red };
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  const indent = " ".repeat(marks.pass.length + 2 + width + 2);
  return checks.flatMap(({ name, status, detail, expected, next_step }) => {
    const [first = "", ...more] = printableLines(detail).split("\n");
    const found = `${colours[status](marks[status])}  ${printable(name).padEnd(width)}  ${first}`;
    const below = [...more, ...(status === "pass" ? [] : hints(expected, next_step, styles))];
    return [found, ...below.map((line) => indent + line)];
  });
}

function hints(expected: Check["expected"], nextStep: Check["next_step"], styles: Styles): string[] {
  const lines = (text: string): string[] => printableLines(text).split("\n");
  return [
    ...(expected ? lines(`expected: ${expected}`) : []),
    ...(nextStep ? lines(`next: ${nextStep}`).map(styles.bold) : []),
  ];
}

function memoryLine(memory: MemoryVerdict): string {
  const { weights_bytes, kv_bytes_per_token, required_bytes, available_bytes } = memory;
  const parts = [
    `weights ${formatBytes(weights_bytes)}`,
    `KV cache ${formatBytes(kv_bytes_per_token)} per token`,
    `needs ${formatBytes(required_bytes)}`,
    `free ${formatBytes(available_bytes)}`,
  ];
  const isUnknown = Object.values(memory).every((bytes) => bytes === null);
  return `memory: ${isUnknown ? "not known, because an earlier check failed" : parts.join(", ")}`;
}
