import { type LmxError, serverStopping } from "../../../shared/errors.ts";
import { concurrencyLimit } from "../../policy/lifecycle/quarantine.ts";
import { routeRequest } from "../../policy/requests/route-request.ts";
import { noSlot, refusal, startFailure, suspectedRequest } from "../model/load-errors.ts";
import type { ControllerPorts, ModelController } from "../model/model-controller.ts";
import { type InLine, RequestLine } from "../model/request-line.ts";
import type { Fingerprint, RequestOrigin, RequestSlot } from "../model/request-slots.ts";

/** Requests at one model's door: served, held while it is coming, or refused with the reason. */
export class RequestGate {
  readonly #ports: ControllerPorts;
  readonly #controller: ModelController;
  /** How many restarts wait for its worker to leave. */
  #restarts = 0;
  readonly #line: RequestLine;
  #isClosing = false;

  constructor(controller: ModelController, ports: ControllerPorts) {
    this.#controller = controller;
    this.#ports = ports;
    this.#line = new RequestLine(controller.slots);
  }

  /** The service stops: no request starts the model any more. */
  close(): void {
    this.#isClosing = true;
  }

  get isRestarting(): boolean {
    return this.#restarts > 0;
  }

  /** Holds requests while `leave` runs, since a load follows on it. */
  async whileRestarting(leave: () => Promise<void>): Promise<void> {
    this.#restarts += 1;
    try {
      await leave();
    } finally {
      this.#restarts -= 1;
      // The load may not follow: another word was the last.
      this.#controller.waiters.wakeAll();
    }
  }

  /** Whether a request of somebody else waits, at the door or for its first token. */
  othersWait(owner: string): boolean {
    return this.#line.othersWait(owner);
  }

  /**
   * A place on a worker that may serve, waiting until `deadline` (monotonic ms) for a model that is coming.
   * @throws LmxError with the code the client shall see; the signal's reason when it aborts
   */
  async acquire(
    deadline: number,
    signal: AbortSignal,
    fingerprint: Fingerprint,
    origin: RequestOrigin,
  ): Promise<RequestSlot> {
    const place = { owner: origin.owner ?? "", fingerprint };
    this.#line.enter(place);
    try {
      return await this.#acquireInTurn(deadline, signal, place, origin);
    } finally {
      this.#leaveLine(place);
    }
  }

  /** Whoever leaves without the place that was free for it lets the next one know. */
  #leaveLine(place: InLine): void {
    const limit = this.#limit();
    const isFree = limit !== null && this.#controller.model.state.kind === "routable";
    const wasNext = isFree && this.#line.isNext(place, limit);
    if (this.#line.leave(place) && wasNext) this.#controller.waiters.wakeAll();
  }

  /** Requests at once; null: no limit from here. */
  #limit(): number | null {
    return concurrencyLimit(this.#controller.model.record, this.#ports.history.numbers);
  }

  async #acquireInTurn(
    deadline: number,
    signal: AbortSignal,
    place: InLine,
    origin: RequestOrigin,
  ): Promise<RequestSlot> {
    const controller = this.#controller;
    const { waiters, slots } = controller;
    const failuresBefore = controller.lastFailure?.number ?? 0;
    // It asks for one start at most, and for none once it has waited for somebody else's.
    let mayAsk = true;
    for (;;) {
      signal.throwIfAborted();
      if (slots.isRefused(place.fingerprint)) throw suspectedRequest(controller.entry.id);
      const decision = this.#decide(deadline);
      switch (decision.kind) {
        case "serve": {
          const slot = this.#tryAcquire(decision.worker, place, origin);
          if (slot !== null) return slot;
          if (this.#ports.now() >= deadline) throw noSlot(controller.entry.id);
          await waiters.changed(deadline, signal);
          break;
        }
        case "start":
          if (!mayAsk || this.#isClosing) throw this.#startFailure(failuresBefore);
          mayAsk = false;
          controller.dispatch({ kind: "load-asked", by: "request" });
          break;
        case "hold":
          mayAsk = false;
          await waiters.changed(deadline, signal);
          break;
        case "hold-until-gone":
          await waiters.changed(deadline, signal);
          break;
        case "refuse-quarantined":
          // Told only once it would survive us.
          await controller.saved;
          throw refusal(controller.entry.id, decision, this.#ports.dossiers.newest(controller.entry.id));
        default:
          throw refusal(controller.entry.id, decision);
      }
    }
  }

  #decide(deadline: number) {
    const { model, entry } = this.#controller;
    return routeRequest(model, {
      now: this.#ports.now(),
      wallNow: Date.now(),
      numbers: this.#ports.history.numbers,
      deadline,
      mayStart: this.#ports.record.mayStartOnRequest(entry),
      isRestarting: this.isRestarting,
    });
  }

  /** Why a start that a request waited for came to nothing: it failed, or was taken back. */
  #startFailure(failuresBefore: number): LmxError {
    const { lastFailure: failed, entry } = this.#controller;
    if (failed !== null && failed.number > failuresBefore)
      return startFailure(entry.id, failed.failure.reason);
    if (this.#isClosing) return serverStopping();
    return refusal(entry.id, { kind: "refuse-not-loaded", reason: null });
  }

  #tryAcquire(worker: number, place: InLine, origin: RequestOrigin): RequestSlot | null {
    const { slots, workers, entry } = this.#controller;
    const session = workers.session(worker);
    if (session === null) throw new Error(`routable without a worker: ${entry.id}`);
    if (!this.#line.isNext(place, this.#limit())) return null;
    this.#line.takeTurn(place);
    return slots.acquire(session, place.fingerprint, origin);
  }
}
