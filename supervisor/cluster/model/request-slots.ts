import type { InFlight } from "../../policy/diagnosis/dossier.ts";
import {
  isRefused,
  mustRunAlone,
  NO_SUSPECTS,
  noteCrash,
  noteFinishedAlone,
  type Suspects,
} from "../../policy/requests/poison-requests.ts";
import type { WorkerSession } from "../../workers/worker-session.ts";

/** Where a request comes from. */
export interface RequestOrigin {
  /** By which the client knows the request; it stands in the log lines about it. */
  readonly requestId?: string;
  /** Whose it is, an opaque word of at most 64 characters: owners take turns. */
  readonly owner?: string | undefined;
}

/** Hash of a request; asked for only when crashes make it matter. */
export type Fingerprint = () => string;

/** A request's place on a worker. Take it and use its session in the same turn of the event loop. */
export interface Seat {
  readonly session: WorkerSession;
  /** It is suspected of a crash: no other request runs beside it. */
  readonly isSuspect: boolean;
  /** Of the request. */
  readonly owner: string;
  /** Its first event has come. */
  begin(): void;
  /** By which name the worker gets the request. */
  sentAs(rowId: string): void;
  /** Once the request is over, however it went. */
  leave(how: "finished" | "over"): void;
}

/** Which requests run on a model's worker, and which of them are suspected of crashing it. */
export class RequestSeats {
  readonly #taken = new Map<Seat, Fingerprint>();
  readonly #requestIds = new WeakMap<Seat, string>();
  readonly #begun = new WeakSet<Seat>();
  readonly #rowIds = new WeakMap<Seat, string>();
  /** Requests that were left while their worker prepared them: at most one of a worker. */
  readonly #leftBehind = new WeakMap<
    WorkerSession,
    { readonly rowId: string; readonly print: Fingerprint }
  >();
  readonly #now: () => number;
  readonly #onLeft: () => void;
  #suspects: Suspects = NO_SUSPECTS;

  /**
   * @param now monotonic milliseconds
   * @param onLeft told when a seat is free again
   */
  constructor(now: () => number, onLeft: () => void) {
    this.#now = now;
    this.#onLeft = onLeft;
  }

  /** It was in flight at two crashes. */
  isRefused(fingerprint: Fingerprint): boolean {
    return this.#suspects.size > 0 && isRefused(this.#suspects, fingerprint(), this.#now());
  }

  /** @param limit requests at once; null: no limit from here */
  hasRoom(fingerprint: Fingerprint, limit: number | null): boolean {
    const seats = [...this.#taken.keys()];
    if (seats.some(({ isSuspect }) => isSuspect)) return false;
    if (limit !== null && seats.length >= limit) return false;
    return seats.length === 0 || !this.#isSuspect(fingerprint);
  }

  take(
    session: WorkerSession,
    fingerprint: Fingerprint,
    { requestId, owner = "" }: RequestOrigin = {},
  ): Seat {
    const seat: Seat = {
      session,
      owner,
      begin: () => void this.#begun.add(seat),
      isSuspect: this.#isSuspect(fingerprint),
      sentAs: (rowId) => this.#rowIds.set(seat, rowId),
      leave: (how) => {
        if (!this.#taken.delete(seat)) return;
        const rowId = this.#rowIds.get(seat);
        if (rowId !== undefined && session.preparing.id === rowId)
          this.#leftBehind.set(session, { rowId, print: fingerprint });
        if (seat.isSuspect && how === "finished")
          this.#suspects = noteFinishedAlone(this.#suspects, fingerprint());
        this.#onLeft();
      },
    };
    this.#taken.set(seat, fingerprint);
    if (requestId !== undefined) this.#requestIds.set(seat, requestId);
    return seat;
  }

  /** How many seats each owner has. */
  takenByOwner(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { owner } of this.#taken.keys()) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    return counts;
  }

  /** Whether a request of another owner waits for its first event. */
  othersWait(owner: string): boolean {
    return [...this.#taken.keys()].some((seat) => seat.owner !== owner && !this.#begun.has(seat));
  }

  /** Which requests run on this worker. */
  inFlight(session: WorkerSession): InFlight {
    const involved = [...this.#taken].filter(([seat]) => seat.session === session);
    return {
      requestIds: involved.flatMap(([seat]) => this.#requestIds.get(seat) ?? []),
      fingerprints: involved.map(([, fingerprint]) => fingerprint()),
    };
  }

  /** The worker died: whoever may have done it becomes a suspect. Tells whether the crash counts against the model. */
  noteCrash(session: WorkerSession, cause: string): boolean {
    const involved = [...this.#taken].filter(([seat]) => seat.session === session);
    const preparing = this.#prepared(session)?.() ?? null;
    for (const [seat] of involved) this.#taken.delete(seat);
    const fingerprints = involved.map(([, fingerprint]) => fingerprint());
    const crash = { fingerprints, preparing, cause, now: this.#now() };
    const { suspects, counts } = noteCrash(this.#suspects, crash);
    this.#suspects = suspects;
    return counts;
  }

  /** The request that the worker is preparing; its client may have left. */
  #prepared(session: WorkerSession): Fingerprint | null {
    const rowId = session.preparing.id;
    if (rowId === null) return null;
    for (const [seat, fingerprint] of this.#taken) if (this.#rowIds.get(seat) === rowId) return fingerprint;
    const left = this.#leftBehind.get(session);
    return left?.rowId === rowId ? left.print : null;
  }

  #isSuspect(fingerprint: Fingerprint): boolean {
    return this.#suspects.size > 0 && mustRunAlone(this.#suspects, fingerprint(), this.#now());
  }
}
