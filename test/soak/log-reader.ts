import { count } from "./ledger.ts";

const TAIL_LINES = 40;
const MOST_ERRORS = 20;
/** pino's number for `error`. */
const ERROR_LEVEL = 50;

/** What the soaked service says about itself. */
export class LogReader {
  /** Failures of models, by class and cause as the service named them. */
  readonly failures = new Map<string, number>();
  /** Pids of workers whose end it noticed. */
  readonly exitedPids = new Set<number>();
  /** The first lines at level error, which only a bug brings about. */
  readonly errors: string[] = [];
  errorCount = 0;
  /** The service has seen a worker of this model end. */
  onExit: (model: string) => void = () => {};
  readonly #tail: string[] = [];

  read(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    // Most lines are about requests; parsing them all would take from the machine under test.
    if (!/"msg":"(?:worker exited|model failure)"|"level":[56]0/.test(line)) return;
    const { msg, pid, level, model, class: kind, cause } = parse(line);
    if (msg === "worker exited") {
      this.exitedPids.add(Number(pid));
      this.onExit(String(model));
    }
    if (msg === "model failure") count(this.failures, `${kind}: ${cause}`);
    if (Number(level) < ERROR_LEVEL) return;
    this.errorCount += 1;
    if (this.errors.length < MOST_ERRORS) this.errors.push(line.slice(0, 2_000));
  }

  /** The last lines. */
  tail(): string {
    return this.#tail.join("\n");
  }
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}
