import { describe, expect, it } from "vitest";
import { judgeInspectExit } from "../../../supervisor/policy/diagnosis/inspect-exit.ts";

const died = (facts: { code?: number; signal?: string; stderrTail?: string } = {}) => ({
  code: null,
  signal: null,
  stderrTail: "",
  ...facts,
});

describe("the death of a process that read a model's structure", () => {
  it.each(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL"])("by %s is a verdict on the model", (signal) => {
    const failure = judgeInspectExit("loading", died({ signal }));
    expect(failure).toMatchObject({ class: "deterministic", reason: { code: "model_incomplete" } });
    expect(failure.reason.message).toContain(signal);
  });

  it("by its limit of processor time is a verdict and says so", () => {
    expect(judgeInspectExit("loading", died({ signal: "SIGXCPU" }))).toMatchObject({
      class: "deterministic",
      reason: { code: "model_incomplete", cause: "inspect_time", message: expect.stringContaining("time") },
    });
  });

  it("from outside says nothing about the model", () => {
    expect(judgeInspectExit("loading", died({ signal: "SIGKILL" }))).toMatchObject({
      class: "environment",
      reason: { code: "insufficient_memory", cause: "killed_external" },
    });
  });

  it("for want of memory, which it said itself, says nothing about the model either", () => {
    const stderrTail = "MemoryError: Unable to allocate 4.00 GiB";
    const failure = judgeInspectExit("loading", died({ code: 1, stderrTail }));
    expect(failure).toMatchObject({ class: "environment", reason: { code: "insufficient_memory" } });
    expect(failure.reason.message).not.toContain("killed");
  });

  it("without a signal names its exit code", () => {
    const failure = judgeInspectExit("loading", died({ code: 70 }));
    expect(failure.class).toBe("deterministic");
    expect(failure.reason.message).toContain("exit code 70");
  });

  it("before it was asked anything is the runtime's fault", () => {
    expect(judgeInspectExit("starting", died({ code: 1 }))).toMatchObject({
      class: "environment",
      reason: { code: "worker_runtime_broken" },
    });
  });

  it("keeps a verdict of its own", () => {
    const stderrTail = "ValueError: Model type frobnicate not supported.";
    expect(judgeInspectExit("loading", died({ code: 1, stderrTail }))).toMatchObject({
      class: "deterministic",
      reason: { code: "model_unsupported_arch", cause: "arch_unsupported" },
    });
  });
});
