import type { RuntimeProgress } from "./build-runtime.ts";

/** Where progress goes; process.stderr fits. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const CLEAR_LINE = "\r\u001b[2K";

/** A printer of build progress: a line per step, and on a terminal one line that follows the packages. */
export function showRuntimeProgress(output: ProgressOutput): (progress: RuntimeProgress) => void {
  const tty = output.isTTY === true;
  let packages = 0;
  let announced = false;
  let waitingFor = 0;
  const line = (text: string) => output.write(`${tty ? CLEAR_LINE : ""}${text}\n`);
  return (progress) => {
    switch (progress.kind) {
      case "waiting":
        if (waitingFor !== progress.pid)
          line(`Waiting for process ${progress.pid}, which is building the Python runtime`);
        waitingFor = progress.pid;
        return;
      case "step":
        if (!announced) line("Building the Python runtime: once, about a minute");
        announced = true;
        line(`  ${progress.step}`);
        return;
      case "package":
        packages += 1;
        if (tty) output.write(`${CLEAR_LINE}  ${packages} ${progress.name}`);
        else if (packages % 10 === 0) line(`  ${packages} packages`);
        return;
      case "done":
        line(`The Python runtime stands after ${Math.round(progress.seconds)} s`);
        return;
      default:
        progress satisfies never;
    }
  };
}
