import type { Answer } from "./request.ts";

interface Chunk {
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string | null };
    readonly message?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly error?: { readonly code: string };
}

/** Reads one answer, streamed or whole, and counts how often it ended. */
export class AnswerReader {
  readonly #status: number;
  readonly #isStream: boolean;
  #pending = "";
  #text = "";
  #error: string | null = null;
  #ends = 0;
  #terminators = 0;
  #unreadable: string | null = null;

  constructor(status: number, contentType: string) {
    this.#status = status;
    this.#isStream = contentType.startsWith("text/event-stream");
  }

  get hasBegun(): boolean {
    return this.#text !== "";
  }

  push(chunk: string): void {
    this.#pending += chunk;
    if (!this.#isStream) return;
    const events = this.#pending.split("\n\n");
    this.#pending = events.pop() ?? "";
    for (const event of events) if (event.startsWith("data: ")) this.#onEvent(event.slice("data: ".length));
  }

  /** The answer, and why it has not ended exactly once; to be asked when the response is over. */
  finish(): { readonly answer: Answer; readonly malformed: string | null } {
    if (!this.#isStream) this.#onWhole();
    return {
      answer: { status: this.#status, error: this.#error, text: this.#text },
      malformed: this.#unreadable ?? (this.#isStream ? this.#miscount() : null),
    };
  }

  #onEvent(data: string): void {
    if (data === "[DONE]") {
      this.#terminators += 1;
      return;
    }
    const chunk = this.#parse(data);
    if (chunk?.error !== undefined) {
      this.#ends += 1;
      this.#error = chunk.error.code;
    }
    const choice = chunk?.choices?.[0];
    this.#text += choice?.delta?.content ?? "";
    if (choice?.finish_reason) this.#ends += 1;
  }

  #onWhole(): void {
    // Health, metrics and the like answer in their own ways.
    if (this.#status === 200 && !this.#pending.startsWith("{")) {
      this.#text = this.#pending;
      return;
    }
    const body = this.#parse(this.#pending);
    this.#error = body?.error?.code ?? null;
    this.#text = body?.choices?.[0]?.message?.content ?? "";
  }

  #parse(text: string): Chunk | null {
    try {
      return JSON.parse(text) as Chunk;
    } catch {
      this.#unreadable ??= `not JSON: ${text.slice(0, 200)}`;
      return null;
    }
  }

  #miscount(): string | null {
    if (this.#ends === 1 && this.#terminators === 1) return null;
    return `${this.#ends} ends and ${this.#terminators} terminators; last text ${JSON.stringify(this.#text.slice(-40))}`;
  }
}
