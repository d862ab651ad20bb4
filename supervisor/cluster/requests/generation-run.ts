import { createHash, randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { ERRORS, type ErrorCode, LmxError, toLmxError } from "../../../shared/errors.ts";
import type { MethodResult, RowEvent, StepRow } from "../../../shared/worker-protocol.ts";
import { decideLostRequest } from "../../policy/requests/lost-request.ts";
import { RpcError, RpcLostError, RpcTooLargeError } from "../../rpc/peer.ts";
import type { ClusterObserver, RequestEnd, RequestObserver } from "../../telemetry/observer.ts";
import type { EncodedRequest } from "../../workers/encoded-request.ts";
import { suspectedRequest } from "../model/load-errors.ts";
import type { Fingerprint, RequestOrigin, RequestSlot } from "../model/request-slots.ts";
import { EventQueue } from "./event-queue.ts";
import type { Generation } from "./generation.ts";

/** The model a request goes to, as far as the request's run needs it. */
export interface ServingModel {
  readonly id: string;
  /** A worker that died will be replaced without anybody's doing. */
  readonly isComingBack: boolean;
  /** @throws LmxError with the code the client shall see; the signal's reason when it aborts */
  ensureReady(
    deadline: number,
    signal: AbortSignal,
    fingerprint: Fingerprint,
    origin: RequestOrigin,
  ): Promise<RequestSlot>;
  /** Was this request in flight at two crashes? */
  isRefused(fingerprint: Fingerprint): boolean;
  /** Whether a request of another owner waits for this model. */
  othersWait(owner: string): boolean;
}

export interface RunOptions {
  readonly host: ServingModel;
  readonly request: EncodedRequest;
  readonly signal: AbortSignal;
  /** How long the request may be held for a model that is coming, milliseconds. */
  readonly holdMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly observer: ClusterObserver;
  readonly origin: RequestOrigin;
  /** Carries the request's id, so that its lines can be found. */
  readonly log: Logger;
}

interface Row {
  readonly id: string;
  readonly slot: RequestSlot;
  /** `lost` before acceptance: the rejected `generate` tells so, unless its acceptance was already on the way. */
  stage: "sent" | "accepted" | "lost";
}

/** One request's whole life: held, accepted by a worker, read, and ended exactly once, whatever the worker does. */
export class GenerationRun {
  readonly #options: RunOptions;
  readonly #queue = new EventQueue(() => this.#leave());
  readonly #observed: RequestObserver;
  #over = false;
  #begun = false;
  #replayed = false;
  /** The row that runs now. A replay gets a new id, so late tokens of the old row are dropped. */
  #row: Row | null = null;
  #slot: RequestSlot | null = null;
  #fingerprint: string | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#observed = options.observer.requestArrived(options.host.id);
  }

  /** Resolves when a worker has accepted the request. @throws LmxError, or the signal's reason */
  async start(): Promise<Generation> {
    const { host, origin, request, signal } = this.#options;
    const onAbort = () => {
      this.#queue.discard();
      this.#leave();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const { prompt_tokens: promptTokens, prompt_text: promptText = null } =
        await this.#dispatchUntilAccepted();
      signal.throwIfAborted();
      this.#observed.accepted(promptTokens);
      const othersWait = () => host.othersWait(origin.owner ?? "");
      // Megabytes that nobody asked for would wait with the answer.
      const shown = request.return_prompt === true ? promptText : null;
      return { model: host.id, promptTokens, promptText: shown, othersWait, events: this.#queue };
    } catch (error) {
      this.#end(signal.aborted ? "cancelled" : "failed");
      throw error;
    }
  }

  /** Sends the request to a ready worker; one that dies before it answers counts as not begun. */
  async #dispatchUntilAccepted(): Promise<MethodResult<"generate">> {
    for (;;) {
      const { host, signal, request, origin, holdMs, now } = this.#options;
      const slot = await host.ensureReady(now() + holdMs, signal, () => this.#fingerprintOf(), origin);
      const { session } = slot;
      const id = randomUUID();
      const row: Row = { id, slot, stage: "sent" };
      this.#slot = slot;
      this.#row = row;
      slot.sentAs(id);
      try {
        const listener = {
          onRow: (step: StepRow) => this.#onRow(id, step),
          onLost: () => this.#onLost(id),
        };
        const accepted = await session.generate(id, request, listener, origin.owner);
        if (row.stage === "lost") throw new RpcLostError("closed", "the worker exited");
        row.stage = "accepted";
        return accepted;
      } catch (error) {
        this.#row = null;
        // The exit event, which moves the model's state, may come a moment after the closed pipe.
        if (!(error instanceof RpcLostError) || error.kind !== "closed") throw this.#translate(error);
        await session.exited;
        if (this.#fate(slot) !== "replay") throw this.#translate(error);
        slot.release("over");
        this.#replayed = true;
      }
    }
  }

  #onRow(id: string, row: StepRow): void {
    if (this.#row?.id !== id) return;
    if (row.token_ids.length > 0) this.#observed.tokens(row.token_ids.length);
    for (const event of row.events) this.#onEvent(event);
  }

  #onEvent(event: RowEvent): void {
    if (event.type === "error") {
      this.#row = null;
      this.#fail(wireError(event.code, event.message));
      return;
    }
    if (!this.#begun) this.#slot?.begin();
    this.#begun = true;
    const kept = this.#queue.push(event);
    if (event.type === "finish") {
      this.#row = null;
      this.#queue.end();
      this.#end(event.reason);
    } else if (!kept) {
      this.#leave();
    }
  }

  #onLost(id: string): void {
    if (this.#row?.id !== id) return;
    if (this.#row.stage === "sent") {
      this.#row.stage = "lost";
      return;
    }
    const { slot } = this.#row;
    this.#row = null;
    const fate = this.#fate(slot);
    this.#options.log.info(
      { model: this.#options.host.id, fate, begun: this.#begun },
      "request lost its worker",
    );
    switch (fate) {
      case "drop":
        this.#queue.end();
        this.#end("cancelled");
        return;
      case "fail":
        this.#fail(this.#lostError());
        return;
      case "replay":
        slot.release("over");
        this.#replayed = true;
        this.#dispatchUntilAccepted().catch((error) => this.#fail(toLmxError(this.#translate(error))));
        return;
      default:
        fate satisfies never;
    }
  }

  /** Hash of what was asked; the seed is left out, because a client that names none gets a new one each time. */
  #fingerprintOf(): string {
    if (this.#fingerprint !== null) return this.#fingerprint;
    const { prompt, sampling, ...options } = this.#options.request;
    const asked = { ...options, prompt: prompt.digest, sampling: { ...sampling, seed: undefined } };
    this.#fingerprint = createHash("sha256").update(JSON.stringify(asked)).digest("hex");
    return this.#fingerprint;
  }

  #fate(slot: RequestSlot) {
    const { host, signal } = this.#options;
    return decideLostRequest({
      isSuspect: slot.isSuspect,
      begun: this.#begun,
      replayed: this.#replayed,
      comingBack: host.isComingBack,
      clientGone: signal.aborted || this.#queue.ended,
    });
  }

  /** Nobody reads any more: the row leaves the worker before its next step. */
  #leave(): void {
    const row = this.#row;
    this.#row = null;
    row?.slot.session.cancel(row.id);
    this.#end("cancelled");
  }

  #fail(error: LmxError): void {
    this.#queue.fail(error);
    this.#end("failed");
  }

  #end(how: RequestEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#slot?.release(how === "failed" || how === "cancelled" ? "over" : "finished");
    this.#observed.ended(how);
  }

  #translate(error: unknown): unknown {
    if (error instanceof RpcError) {
      return wireError(error.data.code, error.message, this.#field(error.data.param));
    }
    if (error instanceof RpcTooLargeError) return new LmxError("request_too_large", `${error.message}.`);
    if (error instanceof RpcLostError && error.kind === "timeout") return notTaken(this.#options.host.id);
    if (error instanceof RpcLostError) return this.#lostError();
    return error;
  }

  /** The client's name for a field: a worker says `prompt`, whatever its form. */
  #field(param: unknown): unknown {
    return param === "prompt" && this.#options.request.prompt.kind === "messages" ? "messages" : param;
  }

  #lostError(): LmxError {
    const { host } = this.#options;
    return host.isRefused(() => this.#fingerprintOf())
      ? suspectedRequest(host.id)
      : crashed(host.id, this.#begun);
  }
}

function crashed(modelId: string, begun: boolean): LmxError {
  const what = begun ? "in the middle of this answer" : "before it could answer";
  return new LmxError("worker_crashed", `The worker of ${modelId} died ${what}; it is being restarted.`, {
    retryAfterSeconds: 1,
  });
}

function notTaken(modelId: string): LmxError {
  const message = `The worker of ${modelId} did not take the request in time; it is busy, or about to be ended.`;
  return new LmxError("worker_crashed", message, { retryAfterSeconds: 5 });
}

/** An error a worker reported; a word that is not in the table is a bug of ours. */
function wireError(word: unknown, message: string, param?: unknown): LmxError {
  const code: ErrorCode =
    typeof word === "string" && Object.hasOwn(ERRORS, word) ? (word as ErrorCode) : "internal_error";
  return new LmxError(code, message, { origin: "worker", ...(typeof param === "string" && { param }) });
}
