import type { Config } from "../../../shared/config.ts";
import type { MachineMemory } from "../../host/memory-facts.ts";
import {
  decideMemory,
  decideMemoryOrWait,
  type MemoryDecision,
  type MemoryWait,
} from "../../policy/memory/decide-memory.ts";
import type { MemoryEstimate } from "../../policy/memory/memory-estimate.ts";
import { freeMemory, heldBytes, type MemoryHolder, memoryLimit } from "../../policy/memory/memory-room.ts";
import { ReturningMemory } from "./returning-memory.ts";

/** How a model that holds memory is being used. */
export type HolderUse = Omit<MemoryHolder, "modelId" | "bytes" | "measuredBytes">;

export interface MemoryLedgerOptions {
  /** Never rejects; what cannot be read is null. */
  readMachine(): Promise<MachineMemory>;
  /** The configuration in force now. */
  config(): Config["memory"];
  /** Asked when a decision is made. Null: not known, and then it is taken to be loading. */
  use(modelId: string): HolderUse | null;
  /** How long a dead worker's memory may take to be available again. Milliseconds. */
  readonly longestReturnMs: number;
  now(): number;
}

/** Memory as the ledger sees it. Bytes; null: not known. */
export interface MemorySnapshot {
  readonly machine: MachineMemory;
  /** What all models together may take. */
  readonly limitBytes: number | null;
  readonly reserveBytes: number;
  /** Promised to models, or taken by them where that is more. */
  readonly heldBytes: number;
  /** What may still be promised. */
  readonly freeBytes: number | null;
  readonly holders: readonly MemoryHolder[];
}

interface Entry {
  readonly bytes: number;
  readonly measuredBytes: number | null;
}

const LOADING: HolderUse = { state: "reserved", isBusy: false, isPinned: false, lastUsedMs: 0 };

/**
 * Who has been promised how much memory. The only writer of promises: requests are decided one after the other, each on
 * a reading of the machine that is younger than the promise before it, so no two count on the same bytes.
 */
export class MemoryLedger {
  readonly #options: MemoryLedgerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #returning: ReturningMemory;
  /** Settles when the decision before has been made; never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: MemoryLedgerOptions) {
    this.#options = options;
    this.#returning = new ReturningMemory({ longestMs: options.longestReturnMs, now: options.now });
  }

  /**
   * Decides, and on `fit` holds the grant until `release`; it replaces what the model held. On `evict` and `refuse`
   * nothing changes: after `evict` unload those models, wait until they are gone, and ask again. Nor does it on `wait`:
   * ask again soon.
   * @param signal aborted before the decision: nothing is held
   * @throws the reason of `signal`
   */
  reserve(modelId: string, need: MemoryEstimate, signal?: AbortSignal): Promise<MemoryDecision | MemoryWait> {
    const decision = this.#turn.then(() => this.#decide(modelId, need, signal));
    this.#turn = decision.catch(() => {});
    return decision;
  }

  /** What `reserve` would decide if what is available now is all there is; nothing is held. */
  async consider(modelId: string, need: MemoryEstimate): Promise<MemoryDecision> {
    const { machine, holders } = await this.#look();
    return decideMemory({ modelId, need, machine, holders, configured: this.#options.config() });
  }

  /** Whether what the model was promised is there; a dead worker's memory may take a while to come back. */
  async isBacked(modelId: string): Promise<boolean> {
    const promised = this.#entries.get(modelId)?.bytes;
    if (promised === undefined) return true;
    const { machine, holders } = await this.#look();
    const others = holders.filter((holder) => holder.modelId !== modelId);
    return freeMemory({ machine, configured: this.#options.config(), holders: others }) >= promised;
  }

  /** The model's worker is gone and its memory given back, or on its way. */
  release(modelId: string): void {
    const entry = this.#entries.get(modelId);
    if (entry === undefined) return;
    this.#entries.delete(modelId);
    // One that never got as far as a measurement may have taken all the same.
    this.#returning.left(Math.max(entry.bytes, entry.measuredBytes ?? 0));
  }

  /** What the model's worker has resident; null as soon as it has no worker, while its memory stays promised. */
  setMeasured(modelId: string, measuredBytes: number | null): void {
    const entry = this.#entries.get(modelId);
    if (entry === undefined) return;
    if (measuredBytes === null && entry.measuredBytes !== null) this.#returning.left(entry.measuredBytes);
    this.#entries.set(modelId, { ...entry, measuredBytes });
  }

  /**
   * What the model's worker says it has, where the system does not tell. It is believed up to what it was promised: no
   * lie takes memory from the other models.
   */
  setReported(modelId: string, reportedBytes: number): void {
    const promised = this.#entries.get(modelId)?.bytes ?? 0;
    this.setMeasured(modelId, Math.min(reportedBytes, promised));
  }

  /** For people to look at: read outside the turn, so a decision may differ. */
  async snapshot(): Promise<MemorySnapshot> {
    const { machine, holders } = await this.#look();
    const configured = this.#options.config();
    const free = freeMemory({ machine, configured, holders });
    return {
      machine,
      limitBytes: memoryLimit(machine, configured),
      reserveBytes: configured.reserve_bytes,
      heldBytes: holders.reduce((sum, holder) => sum + heldBytes(holder), 0),
      freeBytes: Number.isFinite(free) ? Math.max(0, free) : null,
      holders,
    };
  }

  async #decide(
    modelId: string,
    need: MemoryEstimate,
    signal: AbortSignal | undefined,
  ): Promise<MemoryDecision | MemoryWait> {
    signal?.throwIfAborted();
    const { machine, holders, returningBytes } = await this.#look();
    signal?.throwIfAborted();
    const request = { modelId, need, machine, holders, configured: this.#options.config() };
    const decision = decideMemoryOrWait(request, returningBytes);
    if (decision.verdict === "fit") {
      this.#entries.set(modelId, { bytes: decision.grantBytes, measuredBytes: null });
    }
    return decision;
  }

  /**
   * The machine, who holds what, and what is on its way back. Of what became resident during the reading, the reading may
   * not know yet, and of what was given back meanwhile neither: the smaller measurement counts.
   */
  async #look(): Promise<{ machine: MachineMemory; holders: MemoryHolder[]; returningBytes: number }> {
    const before = new Map(this.#entries);
    const machine = await this.#options.readMachine();
    const holders = [...this.#entries].map(([modelId, { bytes, measuredBytes }]): MemoryHolder => {
      const earlier = before.get(modelId)?.measuredBytes ?? null;
      const isKnown = earlier !== null && measuredBytes !== null;
      return {
        ...(this.#options.use(modelId) ?? LOADING),
        modelId,
        bytes,
        measuredBytes: isKnown ? Math.min(earlier, measuredBytes) : null,
      };
    });
    const residentBytes = holders.reduce((sum, holder) => sum + (holder.measuredBytes ?? 0), 0);
    const returningBytes = this.#returning.seen(machine.availableBytes, residentBytes);
    return { machine, holders, returningBytes };
  }
}
