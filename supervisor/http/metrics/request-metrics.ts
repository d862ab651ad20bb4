import type { RequestEnd, RequestObserver } from "../../telemetry/observer.ts";
import type { Instruments } from "./instruments.ts";

/** One request's share of the numbers. */
export class RequestMetrics implements RequestObserver {
  readonly #instruments: Instruments;
  readonly #labels: { readonly model_name: string };
  readonly #arrivedAt = performance.now();
  #stage: "waiting" | "running" = "waiting";
  #lastTokenAt: number | null = null;

  constructor(instruments: Instruments, modelName: string) {
    this.#instruments = instruments;
    this.#labels = { model_name: modelName };
    instruments.waiting.inc(this.#labels);
  }

  accepted(promptTokens: number): void {
    this.#leaveStage();
    this.#stage = "running";
    this.#instruments.running.inc(this.#labels);
    this.#instruments.promptTokens.inc(this.#labels, promptTokens);
    this.#instruments.queue.observe(this.#labels, this.#secondsSince(this.#arrivedAt));
  }

  tokens(count: number): void {
    const { generatedTokens, firstToken, betweenTokens } = this.#instruments;
    generatedTokens.inc(this.#labels, count);
    if (this.#lastTokenAt === null) firstToken.observe(this.#labels, this.#secondsSince(this.#arrivedAt));
    else betweenTokens.observe(this.#labels, this.#secondsSince(this.#lastTokenAt) / count);
    this.#lastTokenAt = performance.now();
  }

  ended(how: RequestEnd): void {
    this.#leaveStage();
    if (how === "failed" || how === "cancelled") return;
    this.#instruments.finished.inc({ ...this.#labels, finished_reason: how });
    this.#instruments.request.observe(this.#labels, this.#secondsSince(this.#arrivedAt));
  }

  #leaveStage(): void {
    this.#instruments[this.#stage].dec(this.#labels);
  }

  #secondsSince(moment: number): number {
    return (performance.now() - moment) / 1000;
  }
}
