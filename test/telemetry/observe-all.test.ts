import { expect, it } from "vitest";
import { observeAll } from "../../supervisor/telemetry/observe-all.ts";
import type { ClusterObserver } from "../../supervisor/telemetry/observer.ts";

function recording(name: string, heard: string[]): ClusterObserver {
  const note =
    (what: string) =>
    (...told: unknown[]) =>
      void heard.push(`${name} ${what} ${told.join(" ")}`);
  return {
    workerStarted: note("started"),
    workerExited: note("exited"),
    workerMemory: (model, { active }) => note("memory")(model, active),
    loaded: note("loaded"),
    canaried: note("canaried"),
    requestArrived: (model) => {
      note("arrived")(model);
      return { accepted: note("accepted"), tokens: note("tokens"), ended: note("ended") };
    },
  };
}

it("everybody hears everything, in order", () => {
  const heard: string[] = [];
  const observer = observeAll(recording("a", heard), recording("b", heard));
  observer.workerStarted("m", true);
  observer.loaded("m", 2);
  observer.canaried("m", 3);
  observer.workerMemory("m", { active: 1, peak: 2, cache: 3 });
  const request = observer.requestArrived("m");
  request.accepted(4);
  request.tokens(5);
  request.ended("stop");
  observer.workerExited("m", "stopped");
  const each = [
    "started m true",
    "loaded m 2",
    "canaried m 3",
    "memory m 1",
    "arrived m",
    "accepted 4",
    "tokens 5",
    "ended stop",
    "exited m stopped",
  ];
  expect(heard).toEqual(each.flatMap((line) => [`a ${line}`, `b ${line}`]));
});
