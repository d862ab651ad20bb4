import { pino } from "pino";
import { expect, it, onTestFinished, vi } from "vitest";
import { LmxError } from "../../shared/errors.ts";
import { logUnexpected } from "../../supervisor/http/log-unexpected.ts";
import { RefusalLog } from "../../supervisor/http/refusal-log.ts";

const OF_A_WORKER = new LmxError("internal_error", "The engine refused the prompt.", { origin: "worker" });

/** The lines of these failures, and of the second after them. */
function logged(error: LmxError, models = ["m"]) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const lines: string[] = [];
  const log = pino({}, { write: (line) => void lines.push(line) });
  const logs = { log, refusals: new RefusalLog({ log }) };
  for (const model of models) logUnexpected(logs, { requestId: "req_1", model }, error);
  vi.advanceTimersByTime(1_000);
  return lines.map((line) => JSON.parse(line));
}

it("logs a bug of the supervisor with its stack", () => {
  const [line] = logged(new LmxError("internal_error", "Sorry.", { cause: new TypeError("not a function") }));
  expect(line).toMatchObject({ level: 50, id: "req_1", err: { message: "not a function" } });
  expect(line.err.stack).toContain("log-unexpected.test.ts");
});

it("logs a worker's failure by what the worker said, without a stack of the supervisor", () => {
  const [line] = logged(OF_A_WORKER);
  const facts = { level: 40, id: "req_1", model: "m", code: "internal_error" };
  expect(line).toMatchObject({ ...facts, message: "The engine refused the prompt." });
  expect(line).not.toHaveProperty("err");
});

it("counts the failures of a worker that fails at every request, by model", () => {
  const lines = logged(OF_A_WORKER, [...Array<string>(500).fill("m"), "another"]);
  expect(lines.map(({ level, model, more }) => ({ level, model, more }))).toEqual([
    { level: 40, model: "m", more: undefined },
    { level: 40, model: "another", more: undefined },
    { level: 30, model: "m", more: 499 },
  ]);
});

it("logs no other error", () => {
  expect(logged(new LmxError("invalid_request_error", "No."))).toEqual([]);
});
