import { pino } from "pino";
import { expect, it } from "vitest";
import { LmxError } from "../../shared/errors.ts";
import { logUnexpected } from "../../supervisor/http/log-unexpected.ts";

function logged(error: LmxError) {
  const lines: string[] = [];
  logUnexpected(pino({}, { write: (line) => void lines.push(line) }), "req_1", error);
  return lines.map((line) => JSON.parse(line));
}

it("logs a bug of the supervisor with its stack", () => {
  const [line] = logged(new LmxError("internal_error", "Sorry.", { cause: new TypeError("not a function") }));
  expect(line).toMatchObject({ level: 50, id: "req_1", err: { message: "not a function" } });
  expect(line.err.stack).toContain("log-unexpected.test.ts");
});

it("logs a worker's failure by what the worker said, without a stack of the supervisor", () => {
  const [line] = logged(
    new LmxError("internal_error", "The engine refused the prompt.", { origin: "worker" }),
  );
  expect(line).toMatchObject({ level: 40, id: "req_1", message: "The engine refused the prompt." });
  expect(line).not.toHaveProperty("err");
});

it("logs no other error", () => {
  expect(logged(new LmxError("invalid_request_error", "No."))).toEqual([]);
});
