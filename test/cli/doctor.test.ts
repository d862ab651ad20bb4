import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { checkAccounts } from "../../supervisor/cli/doctor/check-accounts.ts";
import {
  checkDevice,
  checkMemory,
  checkNode,
  checkOpenBlas,
  checkOpenFiles,
} from "../../supervisor/cli/doctor/check-machine.ts";
import { checkRuntime } from "../../supervisor/cli/doctor/check-python.ts";
import { checkRegistry, checkStateDirectory } from "../../supervisor/cli/doctor/check-storage.ts";
import type { DoctorCheck } from "../../supervisor/cli/doctor/doctor-check.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

/** What a doctor says of a state directory whose API is somewhere. */
async function examine(home: string, env: Record<string, string> = {}) {
  const { code, out } = await lmx(["doctor", "--json"], {
    OPTA_LMX_HOME: home,
    PATH: process.env.PATH ?? "",
    ...env,
  });
  const { ok, checks } = JSON.parse(out) as { ok: boolean; checks: DoctorCheck[] };
  return { code, ok, find: (name: string) => checks.find((check) => check.name === name), checks };
}

const status = {
  status: "ok",
  version: "1.2.3",
  pid: 1,
  started_at: "2026-11-20T10:00:00.000Z",
  uptime_seconds: 1,
  state_directory: "/elsewhere",
  runtime: null,
  models: {},
  requests_in_flight: 0,
  degraded: [] as string[],
};

async function takenPort(): Promise<number> {
  const server = createServer((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("the machine", () => {
  it.each([
    ["22.18.0", "pass"],
    ["24.0.0", "pass"],
    ["22.17.9", "fail"],
    ["20.20.2", "fail"],
  ])("Node %s: %s", (version, expected) => {
    expect(checkNode(version).status).toBe(expected);
  });

  it.each([
    ["darwin", "arm64", "pass"],
    ["linux", "x64", "pass"],
    ["darwin", "x64", "fail"],
    ["win32", "x64", "fail"],
  ] as const)("a device on %s %s: %s", (platform, architecture, expected) => {
    expect(checkDevice(platform, architecture).status).toBe(expected);
  });

  it("warns of a limit of open files that leaves room for few connections, and says how to raise it", () => {
    expect(checkOpenFiles(null, 20_000)).toMatchObject({ status: "pass" });
    expect(checkOpenFiles(null, 256)).toMatchObject({
      status: "warn",
      detail: "256 at once, room for 176 connections",
      next_step: expect.stringContaining("ulimit -n"),
    });
    expect(checkOpenFiles(5_000, 4_096)).toMatchObject({ status: "warn" });
    expect(checkOpenFiles(100, 256)).toMatchObject({ status: "pass" });
  });

  it("OpenBLAS matters on Linux alone: there, missing or switched off", () => {
    expect(checkOpenBlas(true, "darwin", null)).toBeNull();
    expect(checkOpenBlas(true, "linux", "/lib/openblas.so")).toMatchObject({ status: "pass" });
    expect(checkOpenBlas(false, "linux", "/lib/openblas.so")).toMatchObject({
      status: "warn",
      next_step: "Set preload_openblas: true.",
    });
    expect(checkOpenBlas(true, "linux", null)).toMatchObject({
      status: "warn",
      next_step: "Install it: apt-get install libopenblas0-pthread",
    });
  });

  it("little memory is a warning with both figures", () => {
    const GiB = 1024 ** 3;
    expect(checkMemory(64 * GiB, 48 * GiB)).toMatchObject({ status: "pass" });
    expect(checkMemory(64 * GiB, GiB)).toMatchObject({
      status: "warn",
      detail: "1.0 GiB available of 64.0 GiB",
    });
  });
});

describe("the Python runtime", () => {
  const runtime = (mlx: string, mlx_lm: string) => ({
    python: "/r/bin/python",
    directory: "/r",
    lockHash: "0",
    versions: { python: "3.13.1", mlx, mlx_lm },
  });

  it("tells versions, and what is known against them", () => {
    expect(checkRuntime(runtime("0.32.4", "0.32.2"), "/r").map(({ status }) => status)).toEqual(
      Array(4).fill("pass"),
    );
    const old = checkRuntime(runtime("0.31.1", "0.31.3"), "/r").filter(({ status }) => status !== "pass");
    expect(old.map(({ name, status }) => [name, status])).toEqual([
      ["advisories", "fail"],
      ["advisories", "warn"],
      ["advisories", "warn"],
    ]);
    expect(old[0]?.next_step).toContain("https://github.com/ml-explore/mlx/issues/3384");
  });

  it("that is damaged is a failure with what cures it", () => {
    const checks = checkRuntime(runtime("0.32.4", "0.32.2"), "/r", "ImportError: no module named x");
    expect(checks).toMatchObject([
      {
        status: "fail",
        detail: expect.stringContaining("ImportError"),
        next_step: expect.stringContaining("rm -r '/r'"),
      },
    ]);
  });

  it("that is not built yet is a warning: the service builds it", () => {
    expect(checkRuntime(null, "/r")).toMatchObject([
      { status: "warn", next_step: expect.stringContaining("lmx serve") },
    ]);
  });
});

describe("the state directory", () => {
  it("may be there or still to be made, and has room", async () => {
    const home = await temporaryDirectory();
    expect(await checkStateDirectory(home)).toMatchObject({ detail: expect.stringMatching(/ free$/) });
    expect((await checkStateDirectory(join(home, "a/b"))).detail).toContain("made at the first start");
  });

  it("that cannot be made is a failure", async () => {
    const file = join(await temporaryDirectory(), "file");
    await writeFile(file, "");
    expect(await checkStateDirectory(join(file, "home"))).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("is not a directory"),
      next_step: expect.stringContaining("OPTA_LMX_HOME"),
    });
  });

  it.each([
    ['{"schema": 1, "entries": []}', "pass"],
    ["{", "warn"],
    ['{"schema": 1, "entries": [{}]}', "warn", "cannot be read"],
    ["[]", "pass", "older form"],
    ['{"schema": 99, "entries": []}', "warn", "later release"],
  ])("with the registry %s: %s", async (text, expected, words = "") => {
    const path = join(await temporaryDirectory(), "registry.json");
    expect(await checkRegistry(path)).toMatchObject({ status: "pass" });
    await writeFile(path, text);
    const found = await checkRegistry(path);
    expect(found).toMatchObject({ status: expected, detail: expect.stringContaining(words) });
  });
});

it("accounts of other people are a warning while the service asks for no key", () => {
  const both = (config: object) =>
    checkAccounts({ api_keys: [], admin_keys: [], ...config }, ["anna", "ben"], "/s/config.yaml");
  expect(both({})).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("anna, ben"),
    next_step: expect.stringContaining("Set api_keys and admin_keys in /s/config.yaml"),
  });
  expect(both({ api_keys: ["key-number-1"] }).status).toBe("pass");
});

describe("doctor", () => {
  it("looks at everything without a supervisor, and a failure makes it exit 1", async () => {
    const home = await temporaryDirectory();
    const sound = await examine(home, { OPTA_LMX_PORT: "0" });
    const names = [
      "node",
      "python",
      "runtime",
      "device",
      "memory",
      "state directory",
      "permissions",
      "registry",
      "configuration",
      "port",
      "accounts",
    ];
    for (const name of names) expect(sound.find(name), name).toBeDefined();
    expect(sound.ok).toBe(sound.checks.every((check) => check.status !== "fail"));
    await writeFile(join(home, "config.yaml"), "prot: 1\n");
    const broken = await examine(home, { OPTA_LMX_PORT: "0" });
    expect(broken).toMatchObject({ code: 1, ok: false });
    expect(broken.find("configuration")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining('unknown key "prot"; did you mean "port"?'),
    });
  });

  it("says who else can change what is relied on, and does not run a Python others could have changed", async () => {
    const home = await temporaryDirectory();
    expect((await examine(home, { OPTA_LMX_PORT: "0" })).find("permissions")).toMatchObject({
      status: "pass",
    });
    await chmod(home, 0o777);
    const runtimes = join(home, "runtimes");
    await mkdir(runtimes);
    await chmod(runtimes, 0o777);
    const open = await examine(home, { OPTA_LMX_PORT: "0", OPTA_LMX_RUNTIMES: runtimes });
    expect(open.find("permissions")).toMatchObject({ status: "warn", next_step: `chmod go-w ${home}` });
    expect(open.find("runtime")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining(`${home} can be changed by every user`),
      next_step: expect.stringContaining(`chmod go-w ${home}`),
    });
  });

  it("says who has the port: nobody, another program, or an Opta-LMX of another directory", async () => {
    const home = await temporaryDirectory();
    const port = (await examine(home, { OPTA_LMX_PORT: "0" })).find("port");
    expect(port).toMatchObject({ status: "pass", detail: expect.stringContaining("is free") });
    const taken = await examine(home, { OPTA_LMX_PORT: String(await takenPort()) });
    expect(taken.find("port")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("is used by another program"),
      next_step: expect.stringContaining("--port"),
    });
    for (const [answer, place] of [
      [always(200, status), "/elsewhere"],
      [always(401, errorBody("invalid_api_key", "no")), "another state directory"],
    ] as const) {
      const { url } = await fakeSupervisor(answer);
      const other = await examine(home, { OPTA_LMX_PORT: new URL(url).port });
      expect(other.find("port")).toMatchObject({
        status: "fail",
        detail: expect.stringContaining(`an Opta-LMX on ${place}`),
      });
    }
  });

  it("recognises the supervisor of this state directory, and what degrades it", async () => {
    const home = await temporaryDirectory();
    let degraded: string[] = [];
    const { url } = await fakeSupervisor(() => ({ status: 200, body: { ...status, degraded } }));
    await mkdir(home, { recursive: true });
    await writeFile(join(home, "address.json"), JSON.stringify({ url, pid: process.pid }));
    expect((await examine(home)).find("port")).toMatchObject({
      status: "pass",
      detail: `Opta-LMX 1.2.3 answers at ${url}`,
    });
    degraded = ["registry: disk full"];
    expect((await examine(home)).find("port")).toMatchObject({
      status: "warn",
      next_step: expect.stringContaining("lmx logs"),
    });
  });

  it("prints a line per check, next steps below, and a sum", async () => {
    const home = await temporaryDirectory();
    await writeFile(join(home, "config.yaml"), "prot: 1\n");
    const env = { OPTA_LMX_HOME: home, PATH: process.env.PATH ?? "", OPTA_LMX_PORT: "0" };
    const { out } = await lmx(["doctor"], env);
    expect(out).toMatch(/^ok {4}node +\d+\.\d+\.\d+$/m);
    expect(out).toMatch(/^FAIL {2}configuration +.*\n +Mend these lines/m);
    expect(out).toMatch(/\n\n1 failure, \d+ warnings?\.\n$/);
  });
});
