import { describe, expect, it } from "vitest";
import {
  explainBuildFailure,
  type FailedStep,
  PROVING,
} from "../../supervisor/runtime/explain-build-failure.ts";

const python = {
  executable: "/usr/bin/python3.11",
  version: "3.11.2",
  implementation: "cpython",
  platform: "linux",
  machine: "x86_64",
  system: "glibc 2.31",
  freeThreaded: false,
};

const explain = (output: string, more: Partial<FailedStep> = {}) =>
  explainBuildFailure({
    step: "installing the packages",
    output,
    exitCode: 1,
    signal: null,
    python,
    ...more,
  });

/** Words of real runs, shortened. */
const RECORDED: readonly (readonly [who: string, kind: string, output: string])[] = [
  [
    "pip without network",
    "network",
    `WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/iniconfig/
ERROR: Could not find a version that satisfies the requirement iniconfig==2.3.1 (from versions: none)
ERROR: No matching distribution found for iniconfig==2.3.1`,
  ],
  [
    "uv without network",
    "network",
    `error: Request failed after 3 retries in 5.0s
  cause: error sending request for url
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)`,
  ],
  [
    "uv told to stay offline",
    "network",
    `error: No solution found when resolving dependencies
hint: Packages were unavailable because the network was disabled. When the network is disabled, registry packages may only be read from the cache.`,
  ],
  [
    "pip with a certificate it does not trust",
    "network",
    `WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:992)'))': /simple/pytest/
ERROR: No matching distribution found for pytest==9.2.0`,
  ],
  [
    "pip on a full disk",
    "disk-full",
    `Installing collected packages: ruff, pytest
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device`,
  ],
  [
    "uv on a full disk",
    "disk-full",
    `error: Failed to install: pluggy-1.7.0-py3-none-any.whl (pluggy==1.7.0)
  cause: Failed to copy to site-packages/pluggy-1.7.0.dist-info/RECORD
  cause: failed to copy file: No space left on device (os error 28)`,
  ],
  ["Node on a full disk", "disk-full", "ENOSPC: no space left on device, write"],
  [
    "pip with another package than the locked one",
    "hash-mismatch",
    `ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please update the hashes.
    iniconfig==2.3.1:
        Expected sha256 0000b9c5
             Got        9121e2c1`,
  ],
  [
    "uv with another package than the locked one",
    "hash-mismatch",
    "error: Failed to download `iniconfig==2.3.1`\n  cause: Hash mismatch for `iniconfig==2.3.1`",
  ],
  [
    "pip where there is no build",
    "no-wheel",
    `ERROR: Could not find a version that satisfies the requirement mlx-metal==0.32.4 (from versions: none)
ERROR: No matching distribution found for mlx-metal==0.32.4`,
  ],
  [
    "uv where there is no build",
    "no-wheel",
    `error: No solution found when resolving dependencies
  cause: Because mlx-metal==0.32.4 has no wheels with a matching platform tag (e.g., \`manylinux_2_36_x86_64\`) and you require mlx-metal==0.32.4, we can conclude that your requirements are unsatisfiable.`,
  ],
  [
    "Debian's Python without python3-venv",
    "venv-missing",
    "/opt/runtime/bin/python: No module named ensurepip",
  ],
  [
    "Debian's own words about it",
    "venv-missing",
    "The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian/Ubuntu systems, you need to install the python3-venv\npackage",
  ],
  ["venv without permission", "permission", "Error: [Errno 13] Permission denied: '/opt/runtimes/x'"],
  ["Node without permission", "permission", "EACCES: permission denied, mkdir '/opt/runtimes'"],
  [
    "a read-only disk",
    "permission",
    "error: failed to create directory: Read-only file system (os error 30)",
  ],
  ["something new", "unknown", "Traceback (most recent call last):\nValueError: something new"],
];

describe("explainBuildFailure", () => {
  it.each(RECORDED)("reads what %s says as %s", (_who, kind, output) => {
    const error = explain(output);
    expect(error.kind).toBe(kind);
    expect(error.nextStep).not.toBe("");
    expect(output).toContain(error.detail);
  });

  it("names the package to install where venv is missing", () => {
    expect(explain("No module named ensurepip").nextStep).toContain("apt-get install python3.11-venv");
  });

  it.each([
    [{ platform: "darwin", machine: "x86_64", system: "macOS 14.5" }, "Apple silicon"],
    [{ platform: "darwin", machine: "arm64", system: "macOS 13.2" }, "macOS 14 or later"],
    [{}, "glibc 2.35 or later"],
  ])("says what MLX needs where there is no build: %o", (where, need) => {
    const error = explain("No matching distribution found for mlx", { python: { ...python, ...where } });
    expect(error.nextStep).toContain(need);
    expect(error.message).toContain("3.11.2");
  });

  it.each([
    { exitCode: null, signal: "SIGINT" },
    { exitCode: null, signal: "SIGTERM" },
    { exitCode: 130, signal: null },
  ])("takes an installer that somebody stopped for an aborted build: %o", (how) => {
    expect(explain("Collecting mlx==0.32.4", how).kind).toBe("aborted");
  });

  it("shows the last lines when the packages do not work", () => {
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
    const error = explain(lines.join("\n"), { step: PROVING });
    expect(error.kind).toBe("broken-import");
    expect(error.message).toContain("line 29");
    expect(error.message).not.toContain("line 5\n");
  });
});
