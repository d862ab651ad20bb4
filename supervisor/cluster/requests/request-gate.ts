import { type LmxError, serverStopping } from "../../../shared/errors.ts";
import { concurrencyLimit } from "../../policy/lifecycle/quarantine.ts";
import { decideHold } from "../../policy/requests/route-request.ts";
import { noSeat, refusal, startFailure, suspectedRequest } from "../model/load-errors.ts";
import type { MachinePorts, ModelMachine } from "../model/model-controller.ts";
import { type InLine, RequestLine } from "../model/request-line.ts";
import type { Fingerprint, RequestOrigin, Seat } from "../model/request-slots.ts";

/** Requests at one model's door: served, held while it is coming, or refused with the reason. */
export class HeldRequests {
  readonly #ports: MachinePorts;
  readonly #machine: ModelMachine;
  /** How many restarts wait for its worker to leave. */
  #restarts = 0;
  readonly #line: RequestLine;
  #isClosing = false;

  constructor(machine: ModelMachine, ports: MachinePorts) {
    this.#machine = machine;
    this.#ports = ports;
    this.#line = new RequestLine(machine.seats);
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
      this.#machine.waiters.wakeAll();
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
  async seat(
    deadline: number,
    signal: AbortSignal,
    fingerprint: Fingerprint,
    origin: RequestOrigin,
  ): Promise<Seat> {
    const place = { owner: origin.owner ?? "", fingerprint };
    this.#line.enter(place);
    try {
      return await this.#seatInTurn(deadline, signal, place, origin);
    } finally {
      this.#leaveLine(place);
    }
  }

  /** Whoever leaves without the place that was free for it lets the next one know. */
  #leaveLine(place: InLine): void {
    const limit = this.#limit();
    const isFree = limit !== null && this.#machine.model.state.kind === "routable";
    const wasNext = isFree && this.#line.isNext(place, limit);
    if (this.#line.leave(place) && wasNext) this.#machine.waiters.wakeAll();
  }

  /** Requests at once; null: no limit from here. */
  #limit(): number | null {
    return concurrencyLimit(this.#machine.model.record, this.#ports.history.numbers);
  }

  async #seatInTurn(
    deadline: number,
    signal: AbortSignal,
    place: InLine,
    origin: RequestOrigin,
  ): Promise<Seat> {
    const machine = this.#machine;
    const { waiters, seats } = machine;
    const failuresBefore = machine.lastFailure?.number ?? 0;
    // It asks for one start at most, and for none once it has waited for somebody else's.
    let mayAsk = true;
    for (;;) {
      signal.throwIfAborted();
      if (seats.isRefused(place.fingerprint)) throw suspectedRequest(machine.entry.id);
      const decision = this.#decide(deadline);
      switch (decision.kind) {
        case "serve": {
          const seat = this.#sit(decision.worker, place, origin);
          if (seat !== null) return seat;
          if (this.#ports.now() >= deadline) throw noSeat(machine.entry.id);
          await waiters.changed(deadline, signal);
          break;
        }
        case "start":
          if (!mayAsk || this.#isClosing) throw this.#startFailure(failuresBefore);
          mayAsk = false;
          machine.dispatch({ kind: "load-asked", by: "request" });
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
          await machine.saved;
          throw refusal(machine.entry.id, decision, this.#ports.dossiers.newest(machine.entry.id));
        default:
          throw refusal(machine.entry.id, decision);
      }
    }
  }

  #decide(deadline: number) {
    const { model, entry } = this.#machine;
    return decideHold(model, {
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
    const { lastFailure: failed, entry } = this.#machine;
    if (failed !== null && failed.number > failuresBefore)
      return startFailure(entry.id, failed.failure.reason);
    if (this.#isClosing) return serverStopping();
    return refusal(entry.id, { kind: "refuse-not-loaded", reason: null });
  }

  #sit(worker: number, place: InLine, origin: RequestOrigin): Seat | null {
    const { seats, workers, entry } = this.#machine;
    const session = workers.session(worker);
    if (session === null) throw new Error(`routable without a worker: ${entry.id}`);
    if (!this.#line.isNext(place, this.#limit())) return null;
    this.#line.takeTurn(place);
    return seats.take(session, place.fingerprint, origin);
  }
}
