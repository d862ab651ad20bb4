/** Longest dump that is kept; a process with very many threads has more. Characters. */
const LONGEST_DUMP = 32 * 1024;

/** `Current thread 0x… (most recent call first):` and its like, as CPython's faulthandler writes them. */
const HEADER = /^(?:Current thread|Thread) 0x[0-9a-f]{1,20}\b.{0,200}:$/;
const C_STACK_HEADER = /^Current thread's C stack trace \(most recent call first\):$/;
/** What faulthandler says before the stacks. */
const OPENING = /^(?:Fatal Python error: .{0,300}|Timeout \(.{1,40}\)!)$/;

/**
 * The last stacks that Python's faulthandler wrote to stderr, all threads of one dump; null: none. Formats: CPython
 * `Python/traceback.c`, `_Py_DumpTracebackThreads`.
 */
export function stackDumpIn(stderr: string): string | null {
  const lines = stderr.split("\n").map((line) => line.replace(/\r$/, ""));
  const end = lines.findLastIndex(isHeader);
  if (end === -1) return null;
  let first = end;
  for (let index = end - 1; index >= 0 && isPartOfDump(lines[index] ?? ""); index -= 1)
    if (isHeader(lines[index] ?? "")) first = index;
  let last = end;
  while (isFrame(lines[last + 1] ?? "")) last += 1;
  const opening = lines.slice(Math.max(0, first - 2), first).findLast((line) => OPENING.test(line));
  const dump = [...(opening === undefined ? [] : [opening, ""]), ...lines.slice(first, last + 1)].join("\n");
  return dump.slice(0, LONGEST_DUMP);
}

function isHeader(line: string): boolean {
  return HEADER.test(line) || C_STACK_HEADER.test(line);
}

function isFrame(line: string): boolean {
  return /^\s{2}\S/.test(line);
}

function isPartOfDump(line: string): boolean {
  return line === "" || isFrame(line) || isHeader(line);
}
