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
export interface RequestSlot {
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
  release(how: "finished" | "over"): void;
}

/** Which requests run on a model's worker, and which of them are suspected of crashing it. */
export class RequestSlots {
  readonly #taken = new Map<RequestSlot, Fingerprint>();
  readonly #requestIds = new WeakMap<RequestSlot, string>();
  readonly #begun = new WeakSet<RequestSlot>();
  readonly #rowIds = new WeakMap<RequestSlot, string>();
  /** Requests that were left while their worker prepared them: at most one of a worker. */
  readonly #leftBehind = new WeakMap<
    WorkerSession,
    { readonly rowId: string; readonly fingerprint: Fingerprint }
  >();
  readonly #now: () => number;
  readonly #onLeft: () => void;
  #suspects: Suspects = NO_SUSPECTS;

  /**
   * @param now monotonic milliseconds
   * @param onLeft told when a slot is free again
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
    const slots = [...this.#taken.keys()];
    if (slots.some(({ isSuspect }) => isSuspect)) return false;
    if (limit !== null && slots.length >= limit) return false;
    return slots.length === 0 || !this.#isSuspect(fingerprint);
  }

  acquire(
    session: WorkerSession,
    fingerprint: Fingerprint,
    { requestId, owner = "" }: RequestOrigin = {},
  ): RequestSlot {
    const slot: RequestSlot = {
      session,
      owner,
      begin: () => void this.#begun.add(slot),
      isSuspect: this.#isSuspect(fingerprint),
      sentAs: (rowId) => this.#rowIds.set(slot, rowId),
      release: (how) => {
        if (!this.#taken.delete(slot)) return;
        const rowId = this.#rowIds.get(slot);
        if (rowId !== undefined && session.preparing.id === rowId)
          this.#leftBehind.set(session, { rowId, fingerprint });
        if (slot.isSuspect && how === "finished")
          this.#suspects = noteFinishedAlone(this.#suspects, fingerprint());
        this.#onLeft();
      },
    };
    this.#taken.set(slot, fingerprint);
    if (requestId !== undefined) this.#requestIds.set(slot, requestId);
    return slot;
  }

  /** How many slots each owner has. */
  heldByOwner(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { owner } of this.#taken.keys()) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    return counts;
  }

  /** Whether a request of another owner waits for its first event. */
  othersWait(owner: string): boolean {
    return [...this.#taken.keys()].some((slot) => slot.owner !== owner && !this.#begun.has(slot));
  }

  /** Which requests run on this worker. */
  inFlight(session: WorkerSession): InFlight {
    const involved = [...this.#taken].filter(([slot]) => slot.session === session);
    return {
      requestIds: involved.flatMap(([slot]) => this.#requestIds.get(slot) ?? []),
      fingerprints: involved.map(([, fingerprint]) => fingerprint()),
    };
  }

  /** The worker died: whoever may have done it becomes a suspect. Tells whether the crash counts against the model. */
  noteCrash(session: WorkerSession, cause: string): boolean {
    const involved = [...this.#taken].filter(([slot]) => slot.session === session);
    const preparing = this.#prepared(session)?.() ?? null;
    for (const [slot] of involved) this.#taken.delete(slot);
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
    for (const [slot, fingerprint] of this.#taken) if (this.#rowIds.get(slot) === rowId) return fingerprint;
    const left = this.#leftBehind.get(session);
    return left?.rowId === rowId ? left.fingerprint : null;
  }

  #isSuspect(fingerprint: Fingerprint): boolean {
    return this.#suspects.size > 0 && mustRunAlone(this.#suspects, fingerprint(), this.#now());
  }
}
