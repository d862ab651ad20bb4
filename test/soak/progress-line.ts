import type { SoakRun } from "./soak-run.ts";

const TERMINAL_MS = 500;
const ELSEWHERE_MS = 30_000;

/** One line that is written anew; where lines cannot be, one now and then. */
export function showProgress(run: SoakRun): { stop(): void } {
  const { isTTY } = process.stderr;
  let before = { requests: 0, at: 0 };
  const show = () => {
    const { ledger, elapsedMs } = run;
    const rate = ((ledger.requests - before.requests) / (elapsedMs - before.at)) * 1000;
    before = { requests: ledger.requests, at: elapsedMs };
    const bad =
      ledger.bystanderErrors + ledger.malformed + ledger.wrong + ledger.internalErrors + ledger.late;
    const line = [
      `${Math.round(elapsedMs / 1000)} s`,
      `${ledger.deathCount} deaths`,
      `${ledger.requests} requests (${Math.round(rate)}/s)`,
      `${run.inFlight} in flight`,
      `${bad} problems`,
    ].join(", ");
    process.stderr.write(isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
  };
  const timer = setInterval(show, isTTY ? TERMINAL_MS : ELSEWHERE_MS);
  return {
    stop: () => {
      clearInterval(timer);
      if (isTTY) process.stderr.write("\n");
    },
  };
}
