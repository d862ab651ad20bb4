import { createHmac, randomBytes } from "node:crypto";
import { type Burst, chooseBurst } from "../../policy/requests/choose-burst.ts";

/** What tells a request's sender, before its body is read. */
export interface Sender {
  /** A key of this service that opened the door; null: none was asked for. */
  readonly key: string | null;
  /** Network address; null: the request did not come over the network. */
  readonly address: string | null;
  /** What the program says of itself, unchecked: its User-Agent, and a key nobody asked for. */
  readonly claims: readonly (string | undefined)[];
  /** The same for every request of one connection; null: there is none. */
  readonly connection: object | null;
}

/** One request in the books of its owner. */
export interface OwnedRequest {
  /** Whose it is: a short opaque word. Requests of the same word share what there is; different words take turns. */
  readonly owner: string;
  /** Whose it is once its body has named a user, which tells programs apart where no key does. */
  ownerOf(user: string | null | undefined): string;
  /** It is over. May be called again. */
  leave(): void;
}

interface OpenBurst extends Burst {
  readonly name: string;
  readonly owner: string;
  lastArrivalMs: number;
  running: number;
}

/** Enough that no two names meet by chance. Hexadecimal digits. */
const WORD_DIGITS = 16;

/**
 * Who owns a request, for everything clients take turns at. A key is one owner, whoever holds it. Without keys it is
 * the address with what the program says of itself, or with the `user` of the body; and of those that look alike, each
 * burst (docs/decisions/0006-who-owns-a-request.md).
 */
export class Owners {
  /** Words say nothing outside this process: a worker that guesses keys cannot check its guesses. */
  readonly #salt = randomBytes(32);
  readonly #bursts = new Map<string, OpenBurst[]>();
  /** A connection stays with the burst it came with. */
  readonly #byConnection = new WeakMap<object, OpenBurst>();
  readonly #now: () => number;
  #burstsSoFar = 0;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  arrive(sender: Sender): OwnedRequest {
    if (sender.key !== null) {
      const owner = this.#word("key", sender.key);
      return { owner, ownerOf: () => owner, leave: () => {} };
    }
    const burst = this.#burstOf(sender);
    burst.running += 1;
    let isOver = false;
    return {
      owner: burst.owner,
      ownerOf: (user) =>
        user === null || user === undefined || user === ""
          ? burst.owner
          : this.#word("user", sender.address ?? "", user),
      leave: () => {
        if (!isOver) this.#leave(burst);
        isOver = true;
      },
    };
  }

  #burstOf({ address, claims, connection }: Sender): OpenBurst {
    const name = this.#word("name", address ?? "", ...claims.map((claim) => claim ?? ""));
    const running = this.#bursts.get(name) ?? [];
    const known = connection === null ? undefined : this.#byConnection.get(connection);
    // Its next request is no arrival: a client that keeps its connections busy makes no noise for others.
    if (known !== undefined && running.includes(known)) return known;
    const now = this.#now();
    const burst = chooseBurst(running, now) ?? this.#begin(name, running);
    burst.lastArrivalMs = now;
    if (connection !== null) this.#byConnection.set(connection, burst);
    return burst;
  }

  #begin(name: string, running: readonly OpenBurst[]): OpenBurst {
    this.#burstsSoFar += 1;
    const burst = { name, owner: `${name}.${this.#burstsSoFar}`, lastArrivalMs: 0, running: 0 };
    this.#bursts.set(name, [...running, burst]);
    return burst;
  }

  #leave(burst: OpenBurst): void {
    burst.running -= 1;
    if (burst.running > 0) return;
    const others = (this.#bursts.get(burst.name) ?? []).filter((other) => other !== burst);
    if (others.length === 0) this.#bursts.delete(burst.name);
    else this.#bursts.set(burst.name, others);
  }

  #word(kind: string, ...facts: readonly string[]): string {
    const hmac = createHmac("sha256", this.#salt).update(JSON.stringify([kind, ...facts]));
    return `${kind}:${hmac.digest("hex").slice(0, WORD_DIGITS)}`;
  }
}
