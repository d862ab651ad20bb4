import type { EventType, ServiceEvent } from "../../shared/events.ts";
import type { ReadinessReason } from "../../shared/readiness.ts";

/** What happened, before it has a number and a time. */
export interface EventDraft {
  readonly type: EventType;
  readonly model?: string | null;
  readonly reason?: ReadinessReason | null;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Tells what happens; never throws and never waits. */
export interface EventSink {
  emit(draft: EventDraft): void;
}

/** Tells nobody. */
export const NO_EVENTS: EventSink = { emit: () => {} };

/** Events that are kept for readers who come back. */
const MOST_EVENTS = 2_000;

/** A reader of events. Called synchronously: it must neither throw nor wait. */
export interface EventReader {
  onEvent(event: ServiceEvent): void;
  /** No more will come. */
  onClosed(): void;
}

export interface Subscription {
  /** What the reader has missed and is still kept, oldest first; a `reset` comes first when there was more. */
  readonly backlog: readonly ServiceEvent[];
  stop(): void;
}

/** The last events in a bounded ring, and whoever listens. Numbers rise by one. */
export class EventLog implements EventSink {
  readonly #now: () => number;
  readonly #first: number;
  readonly #most: number;
  readonly #readers = new Set<EventReader>();
  /** Event n stands at n modulo the size. */
  readonly #ring: ServiceEvent[] = [];
  #next: number;
  #isClosed = false;

  /**
   * @param now milliseconds since the epoch
   * @param most events that are kept
   */
  constructor(now: () => number = Date.now, most: number = MOST_EVENTS) {
    this.#now = now;
    this.#most = most;
    // Numbers of a later run of the service are higher: it takes more than a millisecond to make an event.
    this.#first = now();
    this.#next = this.#first;
  }

  emit({ type, model = null, reason = null, details = {} }: EventDraft): void {
    if (this.#isClosed) return;
    const ts = new Date(this.#now()).toISOString();
    const event: ServiceEvent = { id: this.#next, ts, type, model, reason, details };
    this.#ring[(this.#next - this.#first) % this.#most] = event;
    this.#next += 1;
    for (const reader of [...this.#readers]) reader.onEvent(event);
  }

  /**
   * Events from now on, after what was missed.
   * @param after number of the last event the reader has seen; null: only what comes
   */
  subscribe(after: number | null, reader: EventReader): Subscription {
    if (this.#isClosed) reader.onClosed();
    else this.#readers.add(reader);
    return { backlog: this.since(after), stop: () => void this.#readers.delete(reader) };
  }

  /** What came after this event and is still kept; see `Subscription.backlog`. */
  since(after: number | null): ServiceEvent[] {
    if (after === null) return [];
    const oldest = Math.max(this.#first, this.#next - this.#most);
    const isGap = after < oldest - 1 || after >= this.#next;
    const from = isGap ? oldest : after + 1;
    const kept: ServiceEvent[] = [];
    for (let id = from; id < this.#next; id += 1) {
      const event = this.#ring[(id - this.#first) % this.#most];
      if (event !== undefined) kept.push(event);
    }
    return isGap ? [this.#reset(from - 1, after), ...kept] : kept;
  }

  /** Ends every subscription; nothing is told any more. */
  close(): void {
    this.#isClosed = true;
    for (const reader of [...this.#readers]) reader.onClosed();
    this.#readers.clear();
  }

  #reset(id: number, after: number): ServiceEvent {
    const ts = new Date(this.#now()).toISOString();
    return { id, ts, type: "reset", model: null, reason: null, details: { last_event_id: after } };
  }
}
