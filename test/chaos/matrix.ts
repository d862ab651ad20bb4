/** The fault matrix: what may happen, and what must come of it. */
export const FAULT_MATRIX = {
  W1: {
    fault: "SIGKILL in each state",
    expected:
      "exit seen ≤ 50 ms; requests replayed, continued or ended, once; `resource?` when not ours; backoff; counter + 1",
  },
  W1b: {
    fault: "SIGKILL mid-stream at temperature 0",
    expected:
      "the client's full bytes equal an undisturbed run's, no error frame, one finish reason, true usage",
  },
  W1c: {
    fault:
      "kill after token k for **every** k of a recorded 200-token run: plain, inside `<think>`, inside tool-call JSON, mid UTF-8, inside a stop-string prefix, at EOS, at max_tokens, in guided JSON, seeded at T = 0.8",
    expected: "equal to the undisturbed run every time",
  },
  W1d: {
    fault: "kill again during replay, during prefill, between last token and trailer; two streams at once",
    expected: "continued or ended, once",
  },
  W1e: {
    fault: "a fixture engine whose block and chain results differ on purpose",
    expected: "replay equals the reference; prefill reports `exact: false` (so the oracle can fail)",
  },
  W2: {
    fault: "SIGSEGV, SIGABRT, SIGBUS, SIGILL",
    expected: "crash class, signal recorded, stderr tail kept",
  },
  W3: {
    fault: "exit 0 unexpectedly, mid-stream and idle",
    expected: "counted; the stream continues or ends, once",
  },
  W4: {
    fault: "exit 1/3 with traceback before `initialize` is answered",
    expected: "environment; two models → `worker_runtime_broken`; nothing quarantined",
  },
  W5: {
    fault: "SIGSTOP idle / mid-stream",
    expected: "killed ≤ 31 s, error frame, no SIGTERM wait",
  },
  W6: {
    fault: "SIGSTOP 20 s then SIGCONT",
    expected: "no kill, requests resume",
  },
  W7: {
    fault: "GIL held forever",
    expected: "kill ≤ 31 s; supervisor dead too: deadman ≤ 95 s",
  },
  W8: {
    fault: "alive, answers pings, no token progress",
    expected: "kill ≤ 125 s, `stalled` shown before",
  },
  W9: {
    fault: "load hangs / progress trickles",
    expected: "stall at 120 s / no kill until the cap",
  },
  W10: {
    fault: "3 crashes in a row",
    expected: "4th request 409 `model_unstable` < 10 ms, no spawn, durable over a restart",
  },
  W11: {
    fault: "load ok then crash at first request × 3, different prompts",
    expected: "quarantined (load success did not reset)",
  },
  W12: {
    fault: "crash every 9 / 11 min (fake clock)",
    expected: "quarantined / only the slow-flap rule",
  },
  W13: {
    fault: "half-open: passes / fails / hangs / two callers race",
    expected: "probation / level + 1 / lease expiry = fail / exactly one worker",
  },
  W14: {
    fault: "crash in probation",
    expected: "quarantined at once, level + 1",
  },
  W15: {
    fault: "weights or mlx version change while quarantined",
    expected: "new key, eligible at once",
  },
  W16: {
    fault: "same poison prompt with SDK default retries",
    expected: "counts once; refused after 2 crashes; others still served",
  },
  W17: {
    fault: "canary: error, timeout, 0 tokens, NaN, constant logits, token 0 throughout, wrong answer",
    expected: "`model_canary_failed`, never routable for any instant",
  },
  W18: {
    fault: "memory cap exceeded",
    expected: "resource class; API untouched; reload waits for memory",
  },
  W19: {
    fault: "worker ignores SIGTERM on unload",
    expected: "SIGKILL on schedule, unload returns, not counted",
  },
  W20: {
    fault: "worker forks a grandchild holding stdout",
    expected: "exit handled at once, no hang",
  },
  W21: {
    fault: "500 sequential + 50 parallel real crashes, 4 signals",
    expected: "0 API exits, no fd/RSS growth, none missed",
  },
  W22: {
    fault: "worker starts processes, in its group, in a session of their own, as a daemon",
    expected: "ended with it, however it ends, and at the next start after a supervisor that was killed",
  },
  P1: {
    fault: "garbage bytes, log lines on stdout",
    expected: "skipped, counted, > 20/min → kill, resync at the next newline",
  },
  P2: {
    fault: "partial line then death / then silence",
    expected: "discarded; heartbeat decides",
  },
  P3: {
    fault: "64 MiB line without newline; 10⁶ tiny lines",
    expected: "kill at 8 MiB; event-loop delay p99 < 50 ms",
  },
  P4: {
    fault: "split UTF-8, `\\r\\n`, NUL, U+2028, duplicate or unknown id, wrong protocol version",
    expected: "correct text / dropped / handshake refused",
  },
  P5: {
    fault: "valid JSON of the wrong shape, huge ints, deep nesting",
    expected: "violation event, request error; 3 in 1 min → kill",
  },
  P6: {
    fault: "stdout 1 B/s, stderr flood 100 MB",
    expected: "no deadlock, stderr ring bounded",
  },
  P7: {
    fault: "worker stops reading stdin with 8 MiB queued, then dies",
    expected: "send rejects ≤ 1 s, no EPIPE crash",
  },
  P8: {
    fault: "> 100 MB total output",
    expected: "worker not ended",
  },
  P9: {
    fault: "cancel ack lost; tokens after cancel",
    expected: "row reclaimed by request id, tokens dropped, nobody killed",
  },
  P10: {
    fault: "7 MB as a name, id, error, version or last word; calls of 7 MB to clients that do not read",
    expected: "cut or a violation; RSS ≤ 600 MB; nothing of it in answers, logs, dossiers, metrics",
  },
  P11: {
    fault: "8 MiB that would become gigabytes, a million rows, a million levels",
    expected: "not parsed: the worker is ended, RSS ≤ 600 MB",
  },
  P12: {
    fault: "claims memory it does not have",
    expected: "not believed: nobody else has less",
  },
  S1: {
    fault: "kill -9 supervisor with workers idle, generating, loading, wedged, stopped",
    expected:
      "workers gone ≤ 2 s on Linux in every one of these (PDEATHSIG), elsewhere wedged ≤ 95 s, stopped by the boot sweep; next start counts 1 unclean",
  },
  S2: {
    fault: "kill -9 supervisor × 3, fast and at 5-min spacing (fake clock)",
    expected: "the 4th start is in safe mode: API up, no workers",
  },
  S3: {
    fault: "open intent + changed boot id, without and with a matching panic report",
    expected: "not auto-loaded, event / quarantined",
  },
  S4: {
    fault: "SIGTERM during load, canary, stream, backoff, registry write; twice; SIGINT to the group",
    expected: "exit 0 ≤ 40 s; clean mark only then; no failure counted; no zombie",
  },
  S5: {
    fault: "SIGSTOP supervisor 60 s; wall clock ± 1 day",
    expected: "nobody killed on resume; quarantine `until` clamped ≤ 24 h",
  },
  S6: {
    fault: "port in use; state directory missing or read-only; second instance",
    expected: "clear message / memory-only, degraded / exit 75",
  },
  S7: {
    fault: "uncaught error injected in a route, a parser callback, a timer",
    expected: "500 and serving / guarded / unclean exit 1",
  },
  S8: {
    fault: "python missing, environment broken, EMFILE, EAGAIN",
    expected: "environment class, breaker, recovers when fixed",
  },
  R1: {
    fault: "registry empty, truncated, NUL, wrong shape, 1 GiB, newer schema, unknown fields",
    expected: "`.corrupt-*` + `.bak` or empty-no-autoload; newer → read-only",
  },
  R2: {
    fault: "ENOSPC, EIO, EROFS at write, fsync, rename, dir fsync",
    expected: "degraded, enforced in memory, recovers, no litter",
  },
  R3: {
    fault: "kill -9 in a write loop × 1000; two writers",
    expected: "0 unparsable, last acked record present",
  },
  R4: {
    fault: "10⁵ events",
    expected: "bounded, oldest dropped",
  },
  H1: {
    fault: "client disconnect before dispatch, at first token, mid-stream, after the last",
    expected: "cancel ≤ 100 ms, slot free, nothing counted",
  },
  H2: {
    fault: "1000 concurrent, worker killed",
    expected: "one outcome each, 0 hangs, RSS bounded",
  },
  H3: {
    fault: "slow reader × 100; one that never reads",
    expected: "only they are cancelled",
  },
  H4: {
    fault: "load/unload/request storm on one key, 10 min",
    expected: "no deadlock, one worker, all waiters woken",
  },
  H5: {
    fault: "quarantine + SDK with default retries",
    expected: "1 request on the wire",
  },
  H6: {
    fault: "disk full for a download or logs",
    expected: "API up, clear error",
  },
} as const;

export type RowId = keyof typeof FAULT_MATRIX;
