import { describe, expect, it } from "vitest";
import { classifyExit, type ExitFacts, explainExit } from "../../../supervisor/policy/diagnosis/failure.ts";
import { lastTraceback } from "../../../supervisor/policy/diagnosis/last-traceback.ts";

const facts = (changes: Partial<ExitFacts>): ExitFacts => ({
  phase: "serving",
  code: null,
  signal: null,
  spawnError: null,
  fatal: null,
  stderrTail: "",
  ...changes,
});

const BUG = `INFO loaded
Traceback (most recent call last):
  File "/r/lib/python3.11/site-packages/mlx_lm/utils.py", line 12, in load
    config = parse(text)
KeyError: 'rope'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/worker/lmx_worker/__main__.py", line 40, in <module>
    main()
  File "/r/lib/python3.11/site-packages/mlx_lm/generate.py", line 412, in step
    y = sample(logits)
        ^^^^^^^^^^^^^^
IndexError: list index out of range
`;

describe("a worker that ended by itself", () => {
  it.each([
    ["a segmentation fault", { signal: "SIGSEGV" }, "crash", "native_segv"],
    ["an abort", { signal: "SIGABRT" }, "crash", "native_abort"],
    ["a signal of no row", { signal: "SIGTRAP" }, "crash", "sigtrap"],
    ["a kill from outside", { signal: "SIGKILL" }, "resource", "killed_external"],
    ["a kill while memory was short", { signal: "SIGKILL", memoryShort: true }, "resource", "killed_oom"],
    ["exit code 0", { code: 0 }, "crash", "exit_0"],
    ["exit code 3 while it started", { code: 3, phase: "starting" }, "environment", "startup_failed"],
    [
      "a traceback while it started",
      { code: 1, phase: "starting", stderrTail: BUG },
      "environment",
      "startup_failed",
    ],
    ["a failed spawn", { spawnError: "ENOENT" }, "environment", "spawn_failed"],
    ["a bug", { code: 1, stderrTail: BUG }, "crash", "engine_bug"],
    ["a fatal report", { code: 1, fatal: { cause: "gpu_oom", message: "out" } }, "resource", "gpu_oom"],
    ["a fatal report of its own", { code: 1, fatal: { cause: "odd", message: "x" } }, "crash", "unknown"],
    [
      "a segmentation fault while it started",
      { signal: "SIGSEGV", phase: "starting" },
      "crash",
      "native_segv",
    ],
  ] as const)("by %s", (_name, changes, failureClass, cause) => {
    expect(classifyExit(facts(changes))).toMatchObject({ class: failureClass, reason: { cause } });
  });

  it.each([
    ["starting", "environment", "worker_runtime_broken"],
    ["loading", "environment", "worker_runtime_broken"],
    ["canary", "crash", "model_loader_crashed"],
    ["serving", "crash", "worker_crashed"],
  ] as const)("with a kernel missing while %s", (phase, failureClass, code) => {
    const stderrTail = "RuntimeError: Unable to load kernel steel_gemm_nt_bfloat16\n";
    const failure = classifyExit(facts({ phase, code: 1, stderrTail }));
    expect(failure).toMatchObject({ class: failureClass, reason: { code, cause: "bad_install" } });
  });

  it("is a verdict on the model only while it loaded", () => {
    const stderrTail = "Traceback (most recent call last):\nValueError: Missing 3 parameters: a\n";
    expect(classifyExit(facts({ phase: "loading", code: 1, stderrTail }))).toMatchObject({
      class: "deterministic",
      reason: { code: "model_incomplete", cause: "model_invalid" },
    });
    expect(classifyExit(facts({ phase: "serving", code: 1, stderrTail })).class).toBe("crash");
  });

  it("is not blamed when another process made the GPU fail", () => {
    const stderrTail =
      "[METAL] Command buffer execution failed: (…:kIOGPUCommandBufferCallbackErrorInnocentVictim)\n";
    expect(explainExit(facts({ signal: "SIGABRT", stderrTail })).blamesModel).toBe(false);
    expect(explainExit(facts({ signal: "SIGABRT" })).blamesModel).toBe(true);
    expect(explainExit(facts({ spawnError: "EAGAIN" })).blamesModel).toBe(false);
  });

  it("comes with advice and a hint where the cause is known", () => {
    const known = explainExit(facts({ signal: "SIGKILL", memoryShort: true }));
    expect(known).toMatchObject({ hint: "wait", advice: expect.stringContaining("Unload another model") });
    expect(explainExit(facts({ code: 7 }))).toMatchObject({ hint: null, advice: null });
  });
});

describe("the message", () => {
  const messageOf = (changes: Partial<ExitFacts>) => classifyExit(facts(changes)).reason.message;

  it("has the last frame and the error of a bug", () => {
    expect(messageOf({ code: 1, stderrTail: BUG })).toBe(
      "The worker ended with exit code 1 while it served; IndexError: list index out of range (at mlx_lm/generate.py:412 in step)",
    );
  });

  it("has the line that names the cause of an abort, cut to what fits", () => {
    const stderrTail = `libc++abi: [METAL] Command buffer execution failed: ${"x".repeat(5_000)}\nbye\n`;
    const message = messageOf({ signal: "SIGABRT", stderrTail });
    expect(message).toContain("The worker died of SIGABRT while it served; it said: libc++abi: [METAL]");
    expect(message.length).toBeLessThan(400);
  });

  it("has the last words when nothing is known", () => {
    expect(messageOf({ code: 7, phase: "canary", stderrTail: "one\ntwo\n\n" })).toBe(
      "The worker ended with exit code 7 during the canary; its last words: two",
    );
  });
});

describe("the last traceback", () => {
  it("is that of the exception nobody caught", () => {
    expect(lastTraceback(BUG)).toEqual({
      frame: "mlx_lm/generate.py:412 in step",
      message: "IndexError: list index out of range",
    });
  });

  it.each([
    ["no traceback", "hello\n"],
    ["one cut before its error", BUG.slice(0, BUG.lastIndexOf("IndexError"))],
    ["one without frames", "Traceback (most recent call last):\nKeyError: 'x'\n"],
  ])("is none in %s", (_name, text) => {
    expect(lastTraceback(text)).toBeNull();
  });
});
