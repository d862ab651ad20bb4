import type { Check, MemoryVerdict, ProbeResult } from "../../shared/admin.ts";
import { humanBytes } from "../policy/human-bytes.ts";
import type { CliIo } from "./command.ts";
import { printable, printableLines } from "./printable.ts";
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
    ...(weights_bytes === null ? [] : [`weights ${humanBytes(weights_bytes)}`]),
    ...(kv_bytes_per_token === null ? [] : [`KV cache ${humanBytes(kv_bytes_per_token)} per token`]),
    ...(required_bytes === null ? [] : [`needs ${humanBytes(required_bytes, "up")}`]),
    ...(available_bytes === null ? [] : [`free ${humanBytes(available_bytes, "down")}`]),
  ];
  const unknown = parts.length === 0 ? "not known" : "the rest is not known";
  const rest = required_bytes === null ? [`${unknown}, because an earlier check failed`] : [];
  return `memory: ${[...parts, ...rest].join(", ")}`;
}
