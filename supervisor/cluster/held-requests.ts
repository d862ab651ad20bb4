import { type LmxError, serverStopping } from "../../shared/errors.ts";
import { decideHold } from "../policy/hold.ts";
import { concurrencyLimit } from "../policy/quarantine.ts";
import { noSeat, refusal, startFailure, suspectedRequest } from "./load-errors.ts";
import type { MachinePorts, ModelMachine } from "./model-machine.ts";
import type { Fingerprint, Seat } from "./request-seats.ts";

/** Requests at one model's door: served, held while it is coming, or refused with the reason. */
export class HeldRequests {
  readonly #ports: MachinePorts;
  readonly #machine: ModelMachine;
  /** How many restarts wait for its worker to leave. */
  #restarts = 0;
  #isClosing = false;

  constructor(machine: ModelMachine, ports: MachinePorts) {
    this.#machine = machine;
    this.#ports = ports;
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

  /**
   * A place on a worker that may serve, waiting until `deadline` (monotonic ms) for a model that is coming.
   * @throws LmxError with the code the client shall see; the signal's reason when it aborts
   */
  async seat(
    deadline: number,
    signal: AbortSignal,
    fingerprint: Fingerprint,
    requestId: string | null,
  ): Promise<Seat> {
    const machine = this.#machine;
    const { waiters, seats } = machine;
    const failuresBefore = machine.lastFailure?.number ?? 0;
    // It asks for one start at most, and for none once it has waited for somebody else's.
    let mayAsk = true;
    for (;;) {
      signal.throwIfAborted();
      if (seats.isRefused(fingerprint)) throw suspectedRequest(machine.entry.id);
      const decision = this.#decide(deadline);
      switch (decision.kind) {
        case "serve": {
          const seat = this.#sit(decision.worker, fingerprint, requestId);
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

  #sit(worker: number, fingerprint: Fingerprint, requestId: string | null): Seat | null {
    const { seats, workers, model, entry } = this.#machine;
    const session = workers.session(worker);
    if (session === null) throw new Error(`routable without a worker: ${entry.id}`);
    if (!seats.hasRoom(fingerprint, concurrencyLimit(model.record, this.#ports.history.numbers))) return null;
    return seats.take(session, fingerprint, requestId);
  }
}
