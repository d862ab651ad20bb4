import { execFile } from "node:child_process";

/** Longer than any of the small system commands takes on a busy machine. */
const RUN_TIMEOUT_MS = 5_000;

/** Standard output of a command, also when it failed; null: it could not be run or took too long. */
export type RunText = (command: string, args: readonly string[]) => Promise<string | null>;

/** Runs a command of the system, without a shell, in a plain environment. Ends after 5 seconds. */
export const runText: RunText = (command, args) =>
  new Promise((resolve) => {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
    execFile(command, [...args], { timeout: RUN_TIMEOUT_MS, env }, (error, stdout) => {
      // An exit code is a number; a command that is missing has a word, one that was killed has neither.
      const hasAnswered = error === null || typeof error.code === "number";
      resolve(hasAnswered ? stdout : null);
    });
  });
