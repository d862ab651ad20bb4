import { setTimeout as delay } from "node:timers/promises";
import type { Check, MemoryVerdict } from "../../../shared/admin.ts";
import type { ModelSettings } from "../../../shared/config.ts";
import type { ModelStructure } from "../../../shared/worker-protocol.ts";
import { humanBytes } from "../../policy/human-bytes.ts";
import type { MemoryDecision } from "../../policy/memory/decide-memory.ts";
import { estimateMemory, type MemoryEstimate } from "../../policy/memory/memory-estimate.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import { LOOK_AGAIN_MS } from "./memory-return.ts";

export interface MemoryQuestion {
  readonly modelId: string;
  readonly structure: ModelStructure;
  readonly settings: ModelSettings;
  /** Of an earlier load of exactly this model on this runtime. Bytes. */
  readonly measuredPeakBytes: number | null;
  /** Only look: nothing is reserved and nobody is unloaded. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

export interface MemoryAnswer {
  readonly check: Check;
  readonly memory: MemoryVerdict;
  /** What the caches of all rows together may take; null when refused. Bytes. */
  readonly cacheBudgetBytes: number | null;
}

export interface MemoryDeskOptions {
  readonly ledger: MemoryLedger;
  /** Unloads these models unless they have become busy; resolves when their workers are gone. */
  makeRoom(modelIds: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Room is made this often before giving up: whoever was to leave may have become busy. */
const EVICTION_ROUNDS = 3;

/** Asks the ledger for a model's memory, makes room where the configuration allows it, and puts the answer in words. */
export class MemoryAdmission {
  readonly #options: MemoryDeskOptions;

  constructor(options: MemoryDeskOptions) {
    this.#options = options;
  }

  /** @throws the signal's reason */
  async ask(question: MemoryQuestion): Promise<MemoryAnswer> {
    const { modelId, structure, settings, signal } = question;
    const need = estimateMemory({
      weightsBytes: structure.weights_bytes,
      caches: structure.caches,
      prefillBytes: structure.prefill_bytes,
      contextTokens: Math.min(structure.context_tokens, settings.context_tokens ?? structure.context_tokens),
      concurrency: settings.max_concurrency,
      measuredPeakBytes: question.measuredPeakBytes,
    });
    if (question.dryRun) return answer(await this.#options.ledger.consider(modelId, need), need);
    let decision = await this.#reserve(modelId, need, signal);
    for (let round = 0; round < EVICTION_ROUNDS && decision.verdict === "evict"; round += 1) {
      await this.#options.makeRoom(decision.evict, signal);
      decision = await this.#reserve(modelId, need, signal);
    }
    return decision.verdict === "evict" ? stillBusy(decision.evict, need) : answer(decision, need);
  }

  /** Waits for memory on its way back before anybody is refused or unloaded for want of it. */
  async #reserve(modelId: string, need: MemoryEstimate, signal: AbortSignal): Promise<MemoryDecision> {
    for (;;) {
      const decision = await this.#options.ledger.reserve(modelId, need, signal);
      if (decision.verdict !== "wait") return decision;
      await delay(LOOK_AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  release(modelId: string): void {
    this.#options.ledger.release(modelId);
  }
}

function answer(decision: MemoryDecision, need: MemoryEstimate): MemoryAnswer {
  const memory = verdictOf(need, decision.freeBytes);
  const needs = `needs ${humanBytes(need.requiredBytes, "up")} (${need.basis})`;
  const free =
    decision.freeBytes === null
      ? "what is free is not known"
      : `${humanBytes(decision.freeBytes, "down")} are free`;
  switch (decision.verdict) {
    case "fit":
      return {
        check: check("pass", `${needs}, ${free}`),
        memory,
        cacheBudgetBytes: decision.cacheBudgetBytes,
      };
    case "evict": {
      const detail = `${needs}, ${free}; a load makes room by unloading ${decision.evict.join(" and ")}`;
      return { check: check("pass", detail), memory, cacheBudgetBytes: null };
    }
    case "refuse":
      return {
        check: { ...check("fail", decision.message), next_step: decision.nextStep },
        memory,
        cacheBudgetBytes: null,
      };
    default:
      return decision satisfies never;
  }
}

function stillBusy(models: readonly string[], need: MemoryEstimate): MemoryAnswer {
  const detail = `needs ${humanBytes(need.requiredBytes, "up")}; ${models.join(" and ")} would have to leave and became busy`;
  return {
    check: { ...check("fail", detail), next_step: "try again when they are idle" },
    memory: verdictOf(need, null),
    cacheBudgetBytes: null,
  };
}

function verdictOf(need: MemoryEstimate, freeBytes: number | null): MemoryVerdict {
  return {
    weights_bytes: need.weightsBytes,
    kv_bytes_per_token: need.kvBytesPerToken,
    required_bytes: need.requiredBytes,
    available_bytes: freeBytes,
  };
}

function check(status: Check["status"], detail: string): Check {
  return { name: "memory", status, detail, expected: null, next_step: null };
}
