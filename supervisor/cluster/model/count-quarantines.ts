import type { QuarantineRule } from "../../policy/lifecycle/failure-record.ts";
import type { FailureHistory } from "./failure-history.ts";

type History = Pick<FailureHistory, "keyOf" | "read" | "save" | "numbers">;

/**
 * The same history, and somebody is told of every quarantine that begins: a record saved as quarantined whose key was
 * not so before. One that was read so at the start began in an earlier run.
 */
export function countQuarantines(
  history: History,
  onQuarantined: (model: string, rule: QuarantineRule) => void,
): History {
  const keptOut = new Set<string>();
  return {
    get numbers() {
      return history.numbers;
    },
    keyOf: (entry) => history.keyOf(entry),
    read: (key, model) => {
      const record = history.read(key, model);
      if (record.standing.kind === "quarantined") keptOut.add(key);
      return record;
    },
    save: (key, model, record) => {
      const { standing } = record;
      if (standing.kind !== "quarantined") keptOut.delete(key);
      else if (!keptOut.has(key)) {
        keptOut.add(key);
        onQuarantined(model, standing.rule);
      }
      return history.save(key, model, record);
    },
  };
}
