import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dossier } from "../../shared/dossier.ts";
import { packageFiles } from "../../supervisor/host/package-files.ts";
import { ChaosService } from "../chaos/chaos-service.ts";
import { dossierOf, dossiersOf, expectDeath, onEvent } from "./dossier-checks.ts";
import type { KnownDeath } from "./induced-deaths.ts";

/**
 * Deaths of known cause of the shipped worker, and what the API says of each: process, stderr, classification, file, HTTP.
 * What needs a GPU, or luck, is in induced-causes-fixture.test.ts.
 */
const scratch = mkdtempSync(join(tmpdir(), "lmx-causes-"));
const workerDirectory = join(scratch, "worker");
const MEBIBYTE = 1024 * 1024;
/** Nobody is quarantined here: one model dies as often as there are causes. */
const quarantine = { failures: 1_000, flap_failures: 1_000 };

let real: ChaosService;

beforeAll(async () => {
  // The shipped worker in a copy, from which something can be taken away.
  cpSync(join(packageFiles().workerDirectory, "lmx_worker"), join(workerDirectory, "lmx_worker"), {
    recursive: true,
    filter: (name) => !name.endsWith("__pycache__"),
  });
  real = await ChaosService.start({
    workers: "real",
    config: { quarantine },
    env: { OPTA_LMX_WORKER_DIRECTORY: workerDirectory },
  });
  await real.loaded(VICTIM);
});
afterAll(async () => {
  await real?.dispose();
  rmSync(scratch, { recursive: true, force: true });
});

const VICTIM = "real/victim";
let asked = 0;

/** Asks for a long answer, each time another one, and does this to the worker once some of it has come. */
async function midStream(act: (pid: number) => void): Promise<void> {
  const pid = await real.pid(VICTIM);
  let isDone = false;
  await real.ask(VICTIM, `tell me story number ${asked++}`, { max_tokens: 1_000 }, (text) => {
    if (text.length < 20 || isDone) return;
    isDone = true;
    act(pid);
  });
}

/** A death of the victim while it serves; afterwards it serves again. */
async function victimDies(known: KnownDeath, act: (pid: number) => void | Promise<void>): Promise<Dossier> {
  const pid = await real.pid(VICTIM);
  const dossier = await dossierOf(real, VICTIM, async () => await act(pid));
  expectDeath(dossier, VICTIM, pid, known);
  expect((await real.load(VICTIM)).status).toBe(200);
  return dossier;
}

describe("the shipped worker, for real", () => {
  const served = { phase: "serving" } as const;
  const killed = {
    class: "resource",
    cause: "killed_external",
    signal: "SIGKILL",
    advice: /look into the system log/,
    recovery: "respawn_now",
    said: null,
  } as const;
  const crash = { ...served, class: "crash", recovery: "respawn_now" } as const;

  it("real: SIGKILL while it is idle", async () => {
    const dossier = await victimDies({ ...served, ...killed }, (pid) => void process.kill(pid, "SIGKILL"));
    expect(dossier).toMatchObject({ in_flight: [], next: { action: "restarted" } });
  });

  it("real: SIGKILL in the middle of an answer", async () => {
    const dossier = await victimDies({ ...served, ...killed }, () =>
      midStream((pid) => process.kill(pid, "SIGKILL")),
    );
    expect(dossier.in_flight).toHaveLength(1);
  });

  const signals: readonly (KnownDeath & { readonly signal: NodeJS.Signals })[] = [
    {
      ...crash,
      signal: "SIGSEGV",
      cause: "native_segv",
      advice: /^Update the runtime and macOS/,
      said: "Fatal Python error: Segmentation fault",
    },
    {
      ...crash,
      signal: "SIGBUS",
      cause: "native_segv",
      advice: /^Check that no file of the model was cut short/,
      said: "Fatal Python error: Bus error",
    },
    {
      ...crash,
      signal: "SIGABRT",
      cause: "native_abort",
      advice: /^Read the last words in its log/,
      said: "Fatal Python error: Aborted",
    },
    {
      ...crash,
      signal: "SIGILL",
      cause: "cpu_unsupported",
      advice: /built for this processor/,
      recovery: "do_not_retry",
      said: "Fatal Python error: Illegal instruction",
    },
    {
      ...crash,
      signal: "SIGFPE",
      cause: "sigfpe",
      advice: null,
      recovery: null,
      said: "Fatal Python error: Floating",
    },
  ];
  it.each(signals)("real: $signal in the middle of an answer", async (known) => {
    const dossier = await victimDies(known, () => midStream((pid) => process.kill(pid, known.signal)));
    expect(dossier.stack_dump).toMatch(/most recent call first/);
  });

  it("real: exit code 0, which nobody of us asked for", async () => {
    const known = { ...crash, cause: "exit_0", code: 0, advice: null, recovery: null, said: null } as const;
    await victimDies(known, (pid) => void process.kill(pid, "SIGTERM"));
  });

  it("real: stopped, so that no ping is answered", async () => {
    const known = {
      ...crash,
      cause: "hung",
      signal: "SIGKILL",
      advice: /^See the stacks for where it hangs/,
      endedBy: /ended by the supervisor/,
      said: null,
    } as const;
    await victimDies(known, (pid) => void process.kill(pid, "SIGSTOP"));
  });

  it("real: no more memory from the operating system", async () => {
    const known = {
      ...served,
      class: "resource",
      cause: "host_oom",
      code: 1,
      advice: /smaller quantisation/,
      recovery: "wait",
      said: /^MemoryError$/,
    } as const;
    await victimDies(known, async (pid) => {
      const limit = dataBytes(pid) + 8 * MEBIBYTE;
      execFileSync("prlimit", [`--pid=${pid}`, `--data=${limit}:${limit}`]);
      // Nobody waits for the answer: the next worker, which has memory, finds the prompt too long.
      void real.ask(VICTIM, "x".repeat(15 * MEBIBYTE));
    });
  });

  it("real: a module of the worker is missing", async () => {
    const module = join(workerDirectory, "lmx_worker", "scheduling", "dispatcher.py");
    expect((await real.admin("/admin/models/unload", { model_id: VICTIM })).status).toBe(200);
    renameSync(module, `${module}.gone`);
    const dossier = await dossierOf(real, VICTIM, async () => {
      const { status, body } = await real.load(VICTIM);
      expect([status, body.error?.code]).toEqual([503, "worker_runtime_broken"]);
    });
    renameSync(`${module}.gone`, module);
    expectDeath(dossier, VICTIM, null, {
      phase: "starting",
      class: "environment",
      cause: "startup_failed",
      code: 1,
      advice: null,
      recovery: null,
      said: "ModuleNotFoundError: No module named 'lmx_worker.scheduling.dispatcher'",
    });
    expect((await real.load(VICTIM)).status).toBe(200);
  });

  /** The event that tells that a worker has come so far. */
  const moments = {
    starting: { type: "worker_started", to: undefined },
    loading: { type: "load_progress", to: undefined },
    canary: { type: "state", to: "canary_pending" },
  } as const;
  it.each(["starting", "loading", "canary"] as const)("real: SIGKILL while %s", async (phase) => {
    const id = `real/killed-${phase}`;
    real.addModel(id);
    // The structure of the files is looked at first, in another process.
    expect((await real.admin("/admin/models/probe", { model_id: id })).status).toBe(200);
    const { type, to } = moments[phase];
    let pid = 0;
    // A tiny model may be faster than we hear of it.
    for (let tries = 0; tries < 5; tries += 1) {
      const ear = await onEvent(
        real,
        (event) => {
          if (event.model !== id) return false;
          if (event.type === "worker_started") pid = Number(event.details.pid);
          return event.type === type && event.details.to === to;
        },
        () => process.kill(pid, "SIGKILL"),
      );
      const dossier = await dossierOf(real, id, () => real.load(id));
      await ear.leave();
      if (dossier.phase === phase) return expectDeath(dossier, id, pid, { ...killed, phase });
      await real.admin("/admin/models/unload", { model_id: id });
    }
    throw new Error(`${id} was never caught while ${phase}`);
  });

  it.each([
    { values: "NaN", byte: 0xff, cause: "non_finite_logits" },
    { values: "zero", byte: 0x00, cause: "constant_logits" },
  ])("real: all weights are $values", async ({ values, byte, cause }) => {
    const id = real.addModel(`real/${values}`);
    fillWeights(join(real.home, "models", id), byte);
    const dossier = await dossierOf(real, id, async () => {
      expect(await real.load(id)).toMatchObject({
        status: 409,
        body: { error: { code: "model_canary_failed" } },
      });
    });
    expectDeath(dossier, id, null, {
      phase: "canary",
      class: "crash",
      cause,
      code: 0,
      advice: /what it computes cannot be used/,
      recovery: "do_not_retry",
      endedBy: /ended by the supervisor/,
      said: null,
    });
  });

  it("real: weights cut short after the checks are a verdict on the files and no death", async () => {
    const id = real.addModel("real/cut-short");
    const weights = join(real.home, "models", id, "model.safetensors");
    let isCut = false;
    // The checks are done, and the worker has its imports to do before it reads.
    const ear = await onEvent(
      real,
      ({ type, model }) => type === "worker_started" && model === id,
      () => {
        writeFileSync(weights, readFileSync(weights).subarray(0, -4_096));
        isCut = true;
      },
    );
    const { status, body } = await real.load(id);
    await ear.leave();
    expect([isCut, status, body.error?.code]).toEqual([true, 409, "model_incomplete"]);
    expect(await dossiersOf(real, id)).toEqual([]);
  });
});

/** Memory of its own that a process may write to, used or not; Linux only. */
function dataBytes(pid: number): number {
  return Number(/VmData:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Sets every byte of the weights, so that every number of any floating type is the same. */
function fillWeights(directory: string, byte: number): void {
  const file = join(directory, "model.safetensors");
  const bytes = readFileSync(file);
  bytes.fill(byte, 8 + Number(bytes.readBigUInt64LE(0)));
  writeFileSync(file, bytes);
}
