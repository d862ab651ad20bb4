import { fairOrder, type Served } from "../../policy/requests/fair-order.ts";
import type { Fingerprint, RequestSlots } from "./request-slots.ts";

/** A request at a model's door. */
export interface InLine {
  readonly owner: string;
  readonly fingerprint: Fingerprint;
}

/** The requests that wait for a place on a model's worker, and whose turn it is. */
export class RequestLine {
  readonly #slots: RequestSlots;
  /** In the order they came. */
  readonly #line = new Set<InLine>();
  /** By owner, of those that have or want a place: the number of the last turn each had. */
  #lastTurns = new Map<string, number>();
  #turns = 0;
  /** Who is next, as long as nothing changes: everybody in line asks whenever a place is free. */
  #next: { readonly limit: number; readonly taken: number; readonly places: ReadonlySet<InLine> } | null =
    null;

  constructor(slots: RequestSlots) {
    this.#slots = slots;
  }

  enter(place: InLine): void {
    this.#line.add(place);
    this.#next = null;
  }

  /** @returns whether it was in line */
  leave(place: InLine): boolean {
    this.#next = null;
    return this.#line.delete(place);
  }

  /** It takes the place that was free for it. */
  takeTurn(place: InLine): void {
    this.leave(place);
    this.#turns += 1;
    this.#lastTurns.set(place.owner, this.#turns);
  }

  /**
   * Whether this request may have a place now: there is one for it, and owners take turns where there is not one for all.
   * @param limit requests at once; null: no limit from here
   */
  isNext(place: InLine, limit: number | null): boolean {
    if (!this.#slots.hasRoom(place.fingerprint, limit)) return false;
    return limit === null || this.#nextOnes(limit).has(place);
  }

  /** Whether a request of somebody else waits, at the door or for its first token. */
  othersWait(owner: string): boolean {
    return [...this.#line].some((place) => place.owner !== owner) || this.#slots.othersWait(owner);
  }

  #nextOnes(limit: number): ReadonlySet<InLine> {
    const byOwner = this.#slots.heldByOwner();
    const taken = [...byOwner.values()].reduce((sum, count) => sum + count, 0);
    if (this.#next?.limit === limit && this.#next.taken === taken) return this.#next.places;
    const fitting = [...this.#line].filter(({ fingerprint }) => this.#slots.hasRoom(fingerprint, limit));
    const places = new Set(fairOrder(fitting, this.#served(byOwner), limit - taken));
    this.#next = { limit, taken, places };
    return places;
  }

  /** Forgets the turns of owners who neither have nor want a place any more. */
  #served(taken: ReadonlyMap<string, number>): ReadonlyMap<string, Served> {
    const owners = new Set([...taken.keys(), ...[...this.#line].map(({ owner }) => owner)]);
    this.#lastTurns = new Map([...this.#lastTurns].filter(([owner]) => owners.has(owner)));
    return new Map(
      [...owners].map((owner) => [
        owner,
        { places: taken.get(owner) ?? 0, lastTurn: this.#lastTurns.get(owner) ?? 0 },
      ]),
    );
  }
}
