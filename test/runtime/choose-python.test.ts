import { describe, expect, it } from "vitest";
import { choosePython, objectionTo, type PythonCandidate } from "../../supervisor/runtime/choose-python.ts";
import type { PythonFacts } from "../../supervisor/runtime/python-facts.ts";
import { RuntimeBuildError } from "../../supervisor/runtime/runtime-build-error.ts";

const facts = (version: string, more: Partial<PythonFacts> = {}): PythonFacts => ({
  executable: `/opt/python-${version}`,
  version,
  implementation: "cpython",
  platform: "linux",
  machine: "x86_64",
  system: "glibc 2.36",
  freeThreaded: false,
  ...more,
});

function refusal(candidates: readonly PythonCandidate[], named: string | null): RuntimeBuildError {
  try {
    choosePython(candidates, named);
  } catch (error) {
    if (error instanceof RuntimeBuildError) return error;
  }
  throw new Error("was not refused");
}

describe("objectionTo", () => {
  it.each([
    ["3.10.14", {}, "3.10.14"],
    ["3.11.0", {}, null],
    ["3.14.2", {}, null],
    ["3.15.0a1", {}, "3.15.0a1"],
    ["2.7.18", {}, "2.7.18"],
    ["3.11.9", { implementation: "pypy" }, "pypy, not CPython"],
    ["3.13.1", { platform: "darwin", machine: "x86_64" }, "3.13.1 for Intel, not for Apple silicon"],
    ["3.13.1", { platform: "darwin", machine: "arm64" }, null],
    ["3.13.1", { freeThreaded: true }, "3.13.1, a free-threaded build"],
  ])("of %s %o is %s", (version, more, objection) => {
    expect(objectionTo(facts(version, more))).toBe(objection);
  });
});

describe("choosePython", () => {
  it("takes the first that fits and passes silent shims over", () => {
    const chosen = choosePython(
      [
        { path: "/shims/python3.13", facts: null },
        { path: "/usr/bin/python3", facts: facts("3.9.6") },
        { path: "/usr/local/bin/python3", facts: facts("3.12.4") },
      ],
      null,
    );
    expect(chosen.executable).toBe("/opt/python-3.12.4");
  });

  it("names what it found where when nothing fits", () => {
    const { kind, message, nextStep } = refusal([{ path: "/usr/bin/python3", facts: facts("3.9.6") }], null);
    expect(kind).toBe("no-python");
    expect(message).toBe("Opta-LMX needs Python 3.11 to 3.14; found only: /usr/bin/python3 is 3.9.6.");
    expect(nextStep).toContain("OPTA_LMX_PYTHON");
  });

  it("says so when PATH holds none, a silent shim included", () => {
    expect(refusal([{ path: "/shims/python3.13", facts: null }], null).message).toContain(
      "none was found on PATH",
    );
  });

  it.each([
    [[{ path: "/opt/py", facts: null }], "/opt/py does not run as one"],
    [[], "/opt/py does not run as one"],
    [[{ path: "/opt/py", facts: facts("3.8.1") }], "/opt/py is 3.8.1"],
  ])("blames OPTA_LMX_PYTHON when that was given: %o", (candidates, found) => {
    expect(refusal(candidates, "/opt/py").message).toBe(
      `OPTA_LMX_PYTHON must name Python 3.11 to 3.14; ${found}.`,
    );
  });
});
