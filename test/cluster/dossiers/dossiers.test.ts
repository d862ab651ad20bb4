import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { Dossier } from "../../../shared/dossier.ts";
import { Dossiers } from "../../../supervisor/cluster/dossiers/dossiers.ts";
import { crashReportFinder } from "../../../supervisor/cluster/dossiers/find-crash-report.ts";
import type { HostPorts } from "../../../supervisor/cluster/model-host.ts";
import { GenerationRun } from "../../../supervisor/cluster/requests/generation-run.ts";
import type { FailureRecord } from "../../../supervisor/policy/lifecycle/failure-record.ts";
import { EventLog } from "../../../supervisor/telemetry/event-log.ts";
import { NO_OBSERVER } from "../../../supervisor/telemetry/observer.ts";
import { anyPrint, hostWithFakes, NO_HISTORY } from "../../support/fake-cluster-parts.ts";
import { DEATH } from "../../support/fake-death.ts";
import { REQUEST, SOUND_CANARY, settled } from "../../support/fake-worker.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const never = new AbortController().signal;
const soon = () => performance.now() + 30_000;
const log = pino({ level: "silent" });

type Fakes = NonNullable<Parameters<typeof hostWithFakes>[0]>;

/** A host whose dossiers and events are kept. */
function hosting({ ports, ...options }: Fakes = {}) {
  const kept: Dossier[] = [];
  const dossiers = new Dossiers({
    store: {
      put: async (dossier) => {
        const at = kept.findIndex(({ id }) => id === dossier.id);
        kept.splice(at === -1 ? kept.length : at, 1, dossier);
      },
      newest: () => null,
    },
    redaction: () => ({ homes: ["/home/al"], secrets: ["my-admin-key"] }),
    versions: { opta_lmx: "1" },
    findCrashReport: async () => null,
    log,
  });
  const events = new EventLog(() => 1);
  const fakes = hostWithFakes({ ...options, ports: { dossiers, events, ...ports } });
  const told = () => events.since(0);
  const line = () =>
    told().map(({ type, details }) => {
      if (type === "state") return `${details.from}>${details.to}`;
      return type === "worker_exited" ? `exited ${details.cause}` : type;
    });
  return { ...fakes, kept, told, line };
}

function run(fakes: ReturnType<typeof hosting>, requestId: string) {
  const { host } = fakes;
  const options = { host, request: REQUEST, signal: never, holdMs: 30_000, origin: { requestId }, log };
  return new GenerationRun({ ...options, now: () => performance.now(), observer: NO_OBSERVER }).start();
}

describe("a worker that dies while it serves", () => {
  it("leaves a dossier with what ran, what it said and what came next, and no prompt", async () => {
    const fakes = hosting();
    await fakes.host.load(never);
    const { events } = await run(fakes, "req_7");
    fakes.workers[0]?.die({ signal: "SIGSEGV", stderrTail: "at /home/al/x with my-admin-key\n" });
    await settled();
    expect(fakes.kept).toMatchObject([
      {
        model: "m",
        phase: "serving",
        class: "crash",
        cause: "native_segv",
        counted: true,
        signal: "SIGSEGV",
        pid: 1000,
        ended_by: null,
        advice: expect.any(String),
        next: { action: "restarted" },
        in_flight: ["req_7"],
        fingerprints: [expect.stringMatching(/^[0-9a-f]{64}$/)],
        versions: { opta_lmx: "1", mlx: "0.1", mlx_lm: "0.2" },
        stderr_tail: "at ~/x with [redacted]\n",
      },
    ]);
    expect(JSON.stringify(fakes.kept)).not.toContain(Buffer.from(REQUEST.prompt.bytes).toString());
    expect(JSON.stringify(fakes.kept)).not.toContain('"hi"');
    void events;
  });

  it("tells its exit before the state that follows, and names the dossier", async () => {
    const { host, workers, kept, told, line } = hosting();
    await host.load(never);
    workers[0]?.die({ signal: "SIGSEGV" });
    await settled();
    expect(line()).toEqual([
      "unloaded>admitted",
      "admitted>loading",
      "worker_started",
      "loading>canary_pending",
      "canary",
      "canary_pending>routable",
      "exited native_segv",
      "routable>admitted",
      "admitted>loading",
      "worker_started",
      "loading>canary_pending",
      "canary",
      "canary_pending>routable",
    ]);
    const exit = told().find(({ type }) => type === "worker_exited");
    expect(exit).toMatchObject({
      model: "m",
      reason: { cause: "native_segv" },
      details: { class: "crash", signal: "SIGSEGV", phase: "serving", dossier_id: kept[0]!.id },
    });
    expect(told().filter(({ type }) => type === "worker_started")[1]).toMatchObject({
      details: { restart: true },
    });
  });
});

describe("a worker that has to be ended", () => {
  it("leaves one dossier, with why it was ended and what ran then", async () => {
    const fakes = hosting();
    await fakes.host.load(never);
    await run(fakes, "req_8");
    fakes.workers[0]?.say("step", { nonsense: true });
    fakes.workers[0]?.say("step", { nonsense: true });
    fakes.workers[0]?.say("step", { nonsense: true });
    await settled();
    expect(fakes.kept).toMatchObject([
      {
        cause: "protocol_violation",
        in_flight: ["req_8"],
        ended_by: "stopped",
        exit_code: 0,
        advice: expect.any(String),
      },
    ]);
  });

  it("leaves a dossier of a failed canary, which the load's error names", async () => {
    const { host, workers, kept, told } = hosting({ manual: ["canary"] });
    const load = host.load(never);
    load.catch(() => {});
    await settled();
    workers[0]?.asked
      .find(({ method }) => method === "canary")
      ?.answer({ ...SOUND_CANARY, token_ids: [0, 0] });
    await settled();
    expect(kept).toMatchObject([{ phase: "canary", cause: "token_zero", next: { action: "unloaded" } }]);
    await expect(load).rejects.toMatchObject({ details: { class: "crash", dossier_id: kept[0]!.id } });
    expect(told().find(({ type }) => type === "canary")).toMatchObject({
      reason: { cause: "token_zero" },
      details: { outcome: "fail" },
    });
  });
});

describe("no dossier is written", () => {
  it("for a worker that was asked to leave", async () => {
    const { host, kept, told } = hosting();
    await host.load(never);
    await host.unload(never);
    await settled();
    expect(kept).toEqual([]);
    expect(told().find(({ type }) => type === "worker_exited")).toMatchObject({
      reason: null,
      details: { cause: "stopped", class: null, dossier_id: null },
    });
  });

  it("for a verdict on the model's files", async () => {
    const { host, workers, kept, told } = hosting({ manual: ["load"] });
    const load = host.load(never);
    load.catch(() => {});
    await settled();
    workers[0]?.asked
      .find(({ method }) => method === "load")
      ?.refuse("model_incomplete", "Missing 3 parameters");
    await settled();
    expect(kept).toEqual([]);
    expect(told().find(({ type }) => type === "quarantined")).toMatchObject({
      reason: { code: "model_incomplete" },
      details: { rule: "verdict", until: null, dossier_id: null },
    });
    expect(host.readiness().quarantine).toMatchObject({ dossier_id: null });
  });
});

describe("a quarantine", () => {
  /** Loads it and crashes it so often. */
  async function crashing(times: number, save: HostPorts["history"]["save"] = async () => {}) {
    const fakes = hosting({ ports: { history: { ...NO_HISTORY, save } } });
    await fakes.host.load(never);
    for (let time = 1; time <= times; time += 1) {
      fakes.workers.at(-1)?.die({ signal: "SIGSEGV" });
      await settled();
      if (time < times) await fakes.host.load(never);
    }
    return fakes;
  }

  it("names the newest dossier in readiness, error and event", async () => {
    const { host, kept, told } = await crashing(3);
    const newest = kept.at(-1)!;
    expect(kept).toHaveLength(3);
    expect(newest.next).toEqual({ action: "quarantined", until: expect.any(String) });
    expect(host.readiness().quarantine).toMatchObject({ level: 1, dossier_id: newest.id });
    await expect(host.ensureReady(soon(), never, anyPrint())).rejects.toMatchObject({
      code: "model_unstable",
      details: { dossier_id: newest.id },
    });
    await expect(host.load(never)).rejects.toMatchObject({ details: { dossier_id: newest.id } });
    expect(told().find(({ type }) => type === "quarantined")).toMatchObject({
      model: "m",
      reason: { code: "model_unstable" },
      details: { rule: "threshold", level: 1, failures: 3, dossier_id: newest.id },
    });
  });

  it("is told only once it is on the disk, and before what comes after it", async () => {
    const held = Promise.withResolvers<void>();
    const save = (_key: string, _model: string, { standing }: FailureRecord) =>
      standing.kind === "quarantined" ? held.promise : Promise.resolve();
    const { host, line } = await crashing(3, save);
    expect(line()).not.toContain("quarantined");
    expect(line().at(-1)).toBe("exited native_segv");
    held.resolve();
    await settled();
    expect(line().slice(-2)).toEqual(["routable>quarantined", "quarantined"]);
    await host.release();
    await settled();
    const after = line().slice(line().indexOf("quarantined"));
    expect(after.slice(0, 3)).toEqual(["quarantined", "released", "quarantined>admitted"]);
  });
});

describe("the progress of a load", () => {
  it("is told at most once a second", async () => {
    let now = 0;
    const { host, workers, told } = hosting({ manual: ["load"], ports: { now: () => now } });
    host.startAutomatically();
    await settled();
    for (let step = 0; step < 40; step += 1) {
      now += 100;
      workers[0]?.say("load_progress", { phase: "weights", loaded_bytes: step, total_bytes: 40 });
    }
    expect(
      told()
        .filter(({ type }) => type === "load_progress")
        .map(({ details }) => details.loaded_bytes),
    ).toEqual([0, 10, 20, 30]);
  });
});

describe("the system's crash report", () => {
  it("is found by name, time and process id, and shown without the home directory", async () => {
    const directory = await temporaryDirectory();
    const find = crashReportFinder([directory, join(directory, "none")], [0]);
    const at = Date.now() - 1_000;
    const stamp = (ms: number) => {
      const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString();
      return local.slice(0, 19).replace("T", "-").replaceAll(":", "");
    };
    await mkdir(join(directory, "none"));
    const other = join(directory, `python3.12-${stamp(at)}.ips`);
    const ours = join(directory, `python3.12-${stamp(at + 1_000)}.ips`);
    await writeFile(other, '{"pid": 1}');
    expect(await find({ ...DEATH, at }, never)).toBeNull();
    await writeFile(ours, '{"pid": 4711}');
    expect(await find({ ...DEATH, at }, never)).toBe(ours);
    expect(await find({ ...DEATH, at, signal: null }, never)).toBeNull();

    const kept: Dossier[] = [];
    const dossiers = new Dossiers({
      store: { put: async (dossier) => void kept.push(dossier), newest: () => null },
      redaction: () => ({ homes: [directory], secrets: [] }),
      versions: {},
      findCrashReport: find,
      log,
    });
    dossiers.file({ ...DEATH, at });
    while (kept.length < 2) await settled();
    expect(kept.map(({ crash_report }) => crash_report)).toEqual([null, ours.replace(directory, "~")]);
  });
});
