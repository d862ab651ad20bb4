import { expect, it } from "vitest";
import { countQuarantines } from "../../../supervisor/cluster/model/count-quarantines.ts";
import {
  type FailureRecord,
  NO_FAILURES,
  QUARANTINE_DEFAULTS,
  type QuarantineRule,
} from "../../../supervisor/policy/lifecycle/failure-record.ts";

const keptOut = (rule: QuarantineRule, until = 1): FailureRecord => ({
  ...NO_FAILURES,
  standing: { kind: "quarantined", until, rule, cause: "sigsegv" },
});
const halfOpen: FailureRecord = {
  ...NO_FAILURES,
  standing: { kind: "half-open", leaseUntil: 1, rule: "threshold", cause: "sigsegv" },
};

function counting(stored: FailureRecord = NO_FAILURES) {
  const told: string[] = [];
  const saved: FailureRecord[] = [];
  const history = countQuarantines(
    {
      keyOf: ({ digest }) => digest,
      read: () => stored,
      save: async (_key, _model, record) => void saved.push(record),
      numbers: QUARANTINE_DEFAULTS,
    },
    (model, rule) => told.push(`${model} ${rule}`),
  );
  return { history, told, saved };
}

it("tells of a quarantine once, however often its record is saved", async () => {
  const { history, told, saved } = counting();
  await history.save("k", "m", { ...NO_FAILURES, failures: 2 });
  await history.save("k", "m", keptOut("threshold"));
  await history.save("k", "m", keptOut("threshold", 2));
  expect(told).toEqual(["m threshold"]);
  expect(saved).toHaveLength(3);
});

it("tells again after a failed try, and of another key for itself", async () => {
  const { history, told } = counting();
  await history.save("k", "m", keptOut("threshold"));
  await history.save("k", "m", halfOpen);
  await history.save("k", "m", keptOut("probe-failed"));
  await history.save("other", "n", keptOut("operator"));
  expect(told).toEqual(["m threshold", "m probe-failed", "n operator"]);
});

it("one that began in an earlier run does not begin again", async () => {
  const { history, told } = counting(keptOut("threshold"));
  history.read("k", "m");
  await history.save("k", "m", keptOut("threshold"));
  expect(told).toEqual([]);
});
