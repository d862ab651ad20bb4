import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { ModelDetail } from "../../shared/admin.ts";
import { count } from "./ledger.ts";
import { environmentOf, HAS_PROC, parentOf } from "./local-processes.ts";
import { operatorRequest } from "./request-mix.ts";
import { describeStep, faultName, type Habit, type ModelStep, modelSchedule } from "./schedule.ts";
import { DamageableModel } from "./soak-models.ts";
import type { SoakRun } from "./soak-run.ts";

/** Until a model serves again, or a worker is gone; everything that may take long is scaled to seconds. */
const STUCK_MS = 120_000;
const LOOK_MS = 25;
/** From an operator's word until its effect is looked for. */
const SETTLE_MS = 150;

/** Does to one model what its schedule says, one step after the other, and brings it back in between. */
export class ModelLane {
  readonly #run: SoakRun;
  readonly #model: string;
  readonly #lane: number;
  readonly #files: DamageableModel | null;
  /** The steps that were begun. */
  steps = 0;
  lastStep = "";

  constructor(run: SoakRun, model: string, lane: number) {
    this.#run = run;
    this.#model = model;
    this.#lane = lane;
    const { own } = run.service;
    this.#files = own === null ? null : new DamageableModel(own.home, model);
  }

  /** Resolves when the run is over, or the model did not come back. */
  async run(): Promise<void> {
    for (const step of modelSchedule(this.#run.options.seed, this.#lane)) {
      if (this.#run.isOver || !(await this.#bringTo(step.moment))) return;
      await Promise.race([wait(step.delayMs), this.#run.over]);
      if (this.#run.isOver) return;
      if (!this.#canDo(step)) continue;
      this.steps += 1;
      this.lastStep = describeStep(this.#model, step);
      count(this.#run.ledger.faults, faultName(step.fault));
      await this.#perform(step);
    }
  }

  /** After everything: it serves. */
  async recover(): Promise<boolean> {
    return await this.#bringTo("serving");
  }

  /** Habits and damaged files need a service of our own, signals one on this machine. */
  #canDo({ fault }: ModelStep): boolean {
    const { own, isLocal } = this.#run.service;
    switch (fault.kind) {
      case "signal":
        return isLocal;
      case "habit":
        return own !== null && HAS_PROC;
      case "damage":
        return own !== null;
      case "verb":
        return true;
      default:
        return fault satisfies never;
    }
  }

  async #perform({ fault }: ModelStep): Promise<void> {
    const name = faultName(fault);
    switch (fault.kind) {
      case "signal":
        await this.#endWorker(name, true, (pid) => process.kill(pid, fault.signal));
        return;
      case "habit":
        await this.#endWorker(name, false, (pid) => setHabit(pid, fault.habit));
        return;
      case "damage":
        await this.#loadDamaged(name, fault.how);
        return;
      case "verb":
        await this.#run.during(this.#model, fault.verb, true, () => this.#say(fault.verb));
        return;
      default:
        fault satisfies never;
    }
  }

  /** Does something to the worker there is and waits until it is gone. */
  async #endWorker(name: string, isSignal: boolean, act: (pid: number) => void): Promise<void> {
    const pid = (await this.#look())?.worker?.pid;
    const { service, watch } = this.#run;
    // Only ever a process of the service under test: pids are used again.
    if (pid === undefined || (await parentOf(pid)) !== service.pid) return;
    this.#run.expectDeath(pid, name, isSignal);
    try {
      act(pid);
    } catch {
      // Gone a moment before us.
      return;
    }
    const deadline = performance.now() + STUCK_MS;
    while (watch.livePids.has(pid)) {
      if (performance.now() > deadline) {
        this.#run.stuck.push(`worker ${pid} of ${this.#model} outlived ${name}`);
        return;
      }
      await wait(LOOK_MS);
    }
  }

  /** One load with damaged weights, which must not end in a model that serves. */
  async #loadDamaged(name: string, how: "truncated" | "nan"): Promise<void> {
    const files = this.#files;
    if (files === null) return;
    await this.#run.during(this.#model, "unload", true, () => this.#say("unload"));
    files.damage(how);
    try {
      await this.#run.during(this.#model, name, false, () => this.#say("load"));
    } finally {
      files.repair();
    }
  }

  async #bringTo(moment: ModelStep["moment"]): Promise<boolean> {
    const deadline = performance.now() + STUCK_MS;
    let model: ModelDetail | undefined;
    while (performance.now() < deadline) {
      if (this.#run.service.own?.exit != null) return false;
      model = await this.#look();
      const state = model?.readiness.state;
      if (state === "routable" && model?.readiness.detail !== "draining") return true;
      if (moment === "coming" && model?.worker != null && state !== "unloaded" && state !== "quarantined")
        return true;
      if (await this.#wake(model)) await wait(SETTLE_MS);
      else await wait(LOOK_MS);
    }
    this.#run.stuck.push(
      `${this.#model} did not come back in ${STUCK_MS / 1000} s: ${JSON.stringify(model?.readiness)}; before: ${this.lastStep}`,
    );
    return false;
  }

  /** Says the word that a resting model needs; false: it is on its way. */
  async #wake(model: ModelDetail | undefined): Promise<boolean> {
    switch (model?.readiness.state) {
      case "quarantined":
        await this.#say("release");
        return true;
      case "unloaded":
        if (model.readiness.detail === "draining") return false;
        await this.#say("load", { wait: false });
        return true;
      case "admitted":
        // Every other time it waits out the restart delay.
        if (this.steps % 2 === 0 || !isLater(model.readiness.next_attempt_at)) return false;
        await this.#say("load", { wait: false });
        return true;
      default:
        return false;
    }
  }

  async #say(verb: string, more: Record<string, unknown> = {}): Promise<void> {
    await this.#run.send(operatorRequest(verb, this.#model, more));
  }

  async #look(): Promise<ModelDetail | undefined> {
    await this.#run.watch.refresh().catch(() => {});
    return this.#run.watch.model(this.#model);
  }
}

function isLater(time: string | null): boolean {
  return time !== null && Date.parse(time) > Date.now();
}

/** The worker looks for this file in its private temporary directory. */
function setHabit(pid: number, habit: Habit): void {
  const directory = HAS_PROC ? environmentOf(pid, "TMPDIR") : null;
  if (directory === null) throw new Error("its temporary directory cannot be read");
  // Whole from the first moment: it is read as soon as it is seen.
  writeFileSync(join(directory, "soak-habit.new"), habit);
  renameSync(join(directory, "soak-habit.new"), join(directory, "soak-habit"));
}
