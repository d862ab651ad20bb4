import type { RowId } from "./matrix.ts";

/** One place in the sources that is changed. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly remove: string;
  readonly put: string;
}

/** The lines that make a row of the fault matrix hold, and what is left when they are taken out. */
export interface Guard extends Edit {
  /** The other guards, where one of them is enough. */
  readonly also?: readonly Edit[];
  /** Tests outside the chaos suite that prove the row. */
  readonly tests?: readonly string[];
}

/** Everything that is taken out for a row. */
export function editsOf(guard: Guard): readonly Edit[] {
  return [guard, ...(guard.also ?? [])];
}

const STORE = "supervisor/store";

const noHeartbeat: Guard = {
  file: "supervisor/workers/heartbeat.ts",
  remove: "const MISSES_UNTIL_HUNG = 3;",
  put: "const MISSES_UNTIL_HUNG = Number.POSITIVE_INFINITY;",
};

/** One for each row, the one that matters most; `npm run guards` takes each out and sees the row fail. */
export const GUARDS: Readonly<Partial<Record<RowId, Guard>>> = {
  W1: { file: "supervisor/cluster/model/model-workers.ts", remove: "    session.loseAll();\n", put: "" },
  W2: {
    file: "supervisor/workers/worker-process.ts",
    remove: "settle(code, signal, null)",
    put: "settle(code, null, null)",
  },
  W3: {
    file: "supervisor/workers/worker-slot.ts",
    remove: "explained.blamesModel ?",
    put: "explained.blamesModel && exit.code !== 0 ?",
  },
  W4: {
    file: "supervisor/policy/diagnosis/failure.ts",
    remove: '  if (phase === "starting" && signal === null && fatal === null) return "environment";\n',
    put: "",
  },
  W5: noHeartbeat,
  W6: {
    file: "supervisor/workers/heartbeat.ts",
    remove: "const MISSES_UNTIL_HUNG = 3;",
    put: "const MISSES_UNTIL_HUNG = 1;",
  },
  W7: noHeartbeat,
  W8: { file: "supervisor/workers/worker-watch.ts", remove: 'if (verdict === "stuck")', put: "if (false)" },
  W9: { file: "supervisor/workers/load-worker.ts", remove: ", stall.stalled]", put: "]" },
  W10: {
    file: "supervisor/policy/lifecycle/quarantine-step.ts",
    remove: '  if (failures >= numbers.threshold) return "threshold";\n',
    put: "",
  },
  W11: {
    file: "supervisor/policy/lifecycle/quarantine.ts",
    remove:
      '      case "free":\n      case "quarantined":\n        return unchanged(current);\n      default:\n        return current.standing',
    put: '      case "free":\n      case "quarantined":\n        return unchanged({ ...current, failures: 0 });\n      default:\n        return current.standing',
  },
  W12: {
    file: "supervisor/policy/lifecycle/quarantine-step.ts",
    remove: 'return recent.length >= numbers.slowFlapFailures ? "slow-flap" : null;',
    put: "return null;",
  },
  W13: {
    file: "supervisor/policy/lifecycle/quarantine.ts",
    remove: "record: { ...current, cleanSince, standing: probation },",
    put: 'record: { ...current, cleanSince, standing: { kind: "free" } },',
  },
  W14: {
    file: "supervisor/policy/lifecycle/quarantine-step.ts",
    remove: '  if (standing.kind === "probation") return "probation";\n',
    put: "",
  },
  W15: {
    file: "supervisor/cluster/model/model-controller.ts",
    remove: 'this.dispatch({ kind: "key-changed", record });',
    put: "",
  },
  W16: {
    file: "supervisor/cluster/model/model-controller.ts",
    remove: "return counts ? event :",
    put: "return true ? event :",
  },
  W17: {
    file: "supervisor/workers/load-worker.ts",
    remove: 'if (verdict.kind === "pass") return',
    put: "if (verdict.kind !== undefined) return",
  },
  W18: {
    file: "supervisor/workers/worker-watch.ts",
    remove: "const verdict = judgeFootprint(this.#readings, capBytes);",
    put: 'const verdict = "fine";',
  },
  W19: {
    file: "supervisor/workers/stop-ladder.ts",
    remove: '  if (await goneWithin(target, TERM_GRACE_MS)) return;\n  target.signal("SIGKILL");\n',
    put: "",
  },
  W20: {
    file: "supervisor/workers/worker-process.ts",
    remove: 'child.once("exit", (code, signal) => {',
    put: 'child.once("close", (code, signal) => {',
  },
  W21: {
    file: "supervisor/workers/worker-process.ts",
    remove: "        resolve({ code, signal,",
    put: '        if (signal !== "SIGBUS") resolve({ code, signal,',
  },
  W22: {
    file: "supervisor/workers/end-descendants.ts",
    remove: "    if (found.length === 0) break;\n",
    put: "    break;\n",
  },
  P1: {
    file: "supervisor/workers/worker-session.ts",
    remove: "if (!isTooMany && !isFinal(violation)) return;",
    put: "if (!isFinal(violation)) return;",
  },
  P2: noHeartbeat,
  P3: {
    file: "supervisor/rpc/line-measure.ts",
    remove: '    if (this.#bytes > this.#limits.bytes) return "line-too-long";\n',
    put: "",
  },
  P4: {
    file: "supervisor/rpc/line-splitter.ts",
    remove: "this.#pend(chunk.subarray(start)) }",
    put: "this.#pend(Buffer.from(Buffer.from(chunk.subarray(start)).toString())) }",
  },
  P5: {
    file: "supervisor/workers/worker-session.ts",
    remove: "      this.#refuseRow(id, listener);\n",
    put: "",
  },
  P6: {
    file: "supervisor/workers/worker-process.ts",
    remove: 'this.#child.stderr.on("data", (chunk: Buffer) => {',
    put: 'this.#child.stderr.once("data", (chunk: Buffer) => {\n      this.#child.stderr.pause();',
  },
  // Either the write fails or the exit tells; errors of the pipes themselves are heard by execa too.
  P7: {
    file: "supervisor/workers/worker-process.ts",
    remove: '        this.#peer.close("the worker exited");\n',
    put: "",
    also: [
      {
        file: "supervisor/rpc/peer.ts",
        remove: "?.reject(new RpcLostError",
        put: "?.resolve.bind(new RpcLostError",
      },
    ],
  },
  P8: { file: "supervisor/workers/worker-process.ts", remove: "    buffer: false,\n", put: "" },
  P9: {
    file: "supervisor/workers/worker-session.ts",
    remove: 'this.#dropNotification("row", typeof id !== "string");',
    put: 'this.#dropNotification("row", true);',
  },
  P10: {
    file: "supervisor/rpc/peer.ts",
    remove: "plainText(message, maxErrorCharacters)",
    put: "message",
  },
  P11: {
    file: "supervisor/rpc/line-measure.ts",
    remove: 'return this.#isTooRich(this.#meter) ? "line-too-rich" : null;',
    put: "return null;",
  },
  P12: {
    file: "supervisor/workers/worker-watch.ts",
    remove: 'if (!IS_MEASURED) this.#noteMemory(bytes, "worker");',
    put: 'this.#noteMemory(bytes, "system");',
  },
  S1: {
    file: "worker/lmx_worker/lifeline.py",
    remove: "    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)\n",
    put: "",
  },
  S2: {
    file: "supervisor/policy/service/service-start.ts",
    remove: "if (uncleanEnds < numbers.limit) return",
    put: "if (uncleanEnds >= 0) return",
  },
  S3: {
    file: "supervisor/service/unasked-loads.ts",
    remove: "new Set(keysThatMayHaveTakenTheHostDown(left, state.bootId))",
    put: "new Set<string>()",
  },
  S4: {
    file: "supervisor/service/service-mode.ts",
    remove: "await this.#options.journal.markStopped(Date.now());",
    put: "",
  },
  S5: {
    file: "supervisor/policy/lifecycle/failure-record.ts",
    remove: "standing: standingWithinReach(record, now, numbers),",
    put: "",
  },
  S6: {
    file: "supervisor/host/lock-file.ts",
    remove: "if (await isAlive(next)) throw new LockHeldError(path, next.pid);",
    put: "",
  },
  S7: {
    file: "supervisor/workers/worker-process.ts",
    remove:
      'this.#handlers.onViolation({ kind: "reader-failed", excerpt: String((error as Error).stack ?? error) });',
    put: "throw error;",
  },
  S8: {
    file: "supervisor/workers/worker-process.ts",
    remove: "if (child.pid === undefined) {\n        // Out",
    put: "if (false) {\n        // Out",
  },
  R1: {
    file: `${STORE}/document-recovery.ts`,
    remove: 'return fromBackup(options, found.problem, await setAside(options.path, "", options));',
    put: "return { data: null, recovered: null, problem: null, blocked: null };",
  },
  R2: {
    file: `${STORE}/durable-file.ts`,
    remove: "    this.#forgetRetry = this.#schedule(() => void this.#enqueue(), delayMs);\n",
    put: "",
  },
  R3: {
    file: `${STORE}/durable-file.ts`,
    remove: "    await files.rename(temporary, path);\n",
    put: "    await files.remove(path);\n    await files.rename(temporary, path);\n",
    tests: ["test/store/kill-while-writing.test.ts"],
  },
  R4: {
    file: `${STORE}/bounded-rows.ts`,
    remove: "if (this.#rows.size > MAX_ROWS) this.#removeOldest(this.#rows.keys());",
    put: "",
    tests: ["test/store/compatibility-registry.test.ts"],
  },
  H1: {
    file: "supervisor/cluster/requests/generation-run.ts",
    remove: "row?.slot.session.cancel(row.id);",
    put: "",
  },
  H2: {
    file: "supervisor/workers/worker-session.ts",
    remove: "for (const listener of listeners) listener.onLost();",
    put: "",
  },
  H3: {
    file: "supervisor/cluster/requests/event-queue.ts",
    remove: "if (this.#bytes - this.#takenBytes > MAX_BACKLOG_BYTES)",
    put: "if (false)",
  },
  H4: {
    file: "supervisor/cluster/model/waiters.ts",
    remove: "for (const wake of [...this.#wakers]) wake();",
    put: "",
  },
  H5: {
    file: "supervisor/http/error-reply.ts",
    remove: '{ "x-should-retry": String(error.retryable) }',
    put: '{ "x-should-retry": "true" }',
  },
  H6: {
    file: "supervisor/host/log-file.ts",
    remove: "await this.#giveUp(error as Error, lines);",
    put: "throw error;",
  },
};
