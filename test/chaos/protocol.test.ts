import { afterAll, beforeAll, expect } from "vitest";
import { isAlive, isGone } from "../support/running-supervisor.ts";
import { hungWithinMs } from "./chaos-config.ts";
import { ChaosService } from "./chaos-service.ts";
import { residentBytes } from "./processes.ts";
import { row, slowRow } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { withBystander } from "./with-bystander.ts";

/** Workers that break the protocol, each in a model of its own. */
let chaos: ChaosService;
/** What a sound fixture worker says to anything. */
let sound: string;

const MEBIBYTE = 1024 * 1024;

beforeAll(async () => {
  chaos = await ChaosService.start({ workers: "fixture", config: { quarantine: { failures: 1_000 } } });
  sound = (await chaos.ask("chaos/bystander", "hello")).text;
});
afterAll(() => chaos.dispose());

/** The same worker serves on, and nothing was counted. */
async function isUnharmed(id: string, pid: number): Promise<void> {
  expect(await chaos.ask(id, "hello")).toMatchObject({ error: null, finish: "length" });
  const { readiness, worker } = await chaos.model(id);
  expect([worker?.pid, readiness.state, readiness.failures]).toEqual([pid, "routable", 0]);
}

/** Asks badly, loses the worker, and gets another one. */
async function losesWorker(id: string): Promise<void> {
  const pid = await chaos.pid(id);
  // A worker that is to be killed may write for a second while it dumps its stacks.
  const answer = await chaos.ask(id, "bad", { max_tokens: 2_000 });
  expect(answer).toMatchObject({ status: 200, error: "worker_crashed", finish: null });
  await isGone(pid, hungWithinMs("fixture"));
  await chaos.load(id);
  await chaos.lmx.becomes(id, "routable", pid);
  expect(await chaos.ask(id, "hello")).toMatchObject({ error: null, text: sound });
  expect((await chaos.model(id)).readiness.failures).toBe(1);
}

row("P1", "fixture", "ten lines of garbage between two tokens: skipped, the answer is whole", async () => {
  const id = await chaos.loaded("p1/some", { habit: "noisy_stdout", lines: 10 });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    expect(await chaos.ask(id, "bad")).toMatchObject({ error: null, text: sound });
    await isUnharmed(id, pid);
  });
  expect(
    chaos.logLines().filter((line) => line.pid === pid && line.kind === "not-json").length,
  ).toBeGreaterThan(0);
});

row("P1", "fixture", "more than twenty lines of garbage in a minute: killed and counted", async () => {
  const id = await chaos.loaded("p1/many", { habit: "noisy_stdout", lines: 40 });
  await withBystander(chaos, { model: id, class: "crash", cause: "protocol_violation" }, () =>
    losesWorker(id),
  );
});

row("P2", "fixture", "half a line, then death: discarded, one error frame", async () => {
  const id = await chaos.loaded("p2/dies", { habit: "partial_line", next: "death" });
  await withBystander(chaos, { model: id, class: "crash", cause: "exit_1" }, () => losesWorker(id));
});

slowRow("P2", "fixture", "half a line, then silence: the heartbeat decides", async () => {
  const id = await chaos.loaded("p2/silent", { habit: "partial_line", next: "silence" });
  await withBystander(chaos, { model: id, class: "crash", cause: "hung" }, () => losesWorker(id));
});

row("P3", "fixture", "64 MiB without a newline: killed at 8 MiB", async () => {
  const id = await chaos.loaded("p3/endless", { habit: "endless_line" });
  const before = residentBytes(chaos.lmx.pid);
  await withBystander(chaos, { model: id, class: "crash", cause: "protocol_violation" }, () =>
    losesWorker(id),
  );
  expect(residentBytes(chaos.lmx.pid) - before).toBeLessThan(96 * MEBIBYTE);
});

row("P3", "fixture", "many tiny lines: all read while /livez and the other model go on", async () => {
  const id = await chaos.loaded("p3/tiny", { habit: "tiny_lines", lines: 100_000 });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    expect(await chaos.ask(id, "bad")).toMatchObject({ error: null, text: sound });
    await isUnharmed(id, pid);
  });
});

slowRow(
  "P3",
  "fixture",
  "a million tiny lines: all read while /livez and the other model go on",
  async () => {
    const id = await chaos.loaded("p3/million", { habit: "tiny_lines", lines: 1_000_000 });
    const pid = await chaos.pid(id);
    await withBystander(chaos, null, async () => {
      expect(await chaos.ask(id, "bad")).toMatchObject({ error: null, text: sound });
      await isUnharmed(id, pid);
    });
  },
);

row("P4", "fixture", "split characters, CRLF, NUL and U+2028: the text is what was meant", async () => {
  const id = await chaos.loaded("p4/odd", { habit: "odd_encoding" });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    const { text, error } = await chaos.ask(id, "hello", { max_tokens: 12 });
    expect(error).toBeNull();
    expect(text).toBe("naïve 日本 🦙 nul\0 line\u2028end \r\n".repeat(2));
    expect((await chaos.model(id)).worker?.pid).toBe(pid);
  });
});

row("P4", "fixture", "answers twice, to unknown ids, for unknown requests: dropped", async () => {
  const id = await chaos.loaded("p4/ids", { habit: "wrong_ids" });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    expect(await chaos.ask(id, "hello")).toMatchObject({ error: null, text: sound });
    await isUnharmed(id, pid);
  });
});

row(
  "P4",
  "fixture",
  "another version of the protocol: the handshake is refused, nobody is quarantined",
  async () => {
    const id = chaos.addModel("p4/version");
    chaos.setStartupHabit({ habit: "wrong_protocol" });
    try {
      await withBystander(chaos, null, async () => {
        const { status, body } = await chaos.load(id);
        expect([status, body.error?.code]).toEqual([503, "worker_runtime_broken"]);
        const { readiness } = await chaos.model(id);
        expect([readiness.state, readiness.failures]).toEqual(["unloaded", 0]);
      });
    } finally {
      chaos.setStartupHabit(null);
    }
  },
);

row("P5", "fixture", "one message of the wrong shape: noted and dropped, the answer is whole", async () => {
  for (const shape of ["array", "rows", "nested"]) {
    const id = await chaos.loaded(`p5/one-${shape}`, { habit: "wrong_shapes", shape, times: 1 });
    const pid = await chaos.pid(id);
    await withBystander(chaos, null, async () => {
      expect(await chaos.ask(id, "bad")).toMatchObject({ error: null, text: sound });
      await isUnharmed(id, pid);
    });
  }
});

row("P5", "fixture", "three messages of the wrong shape in a minute: killed and counted", async () => {
  for (const shape of ["row", "huge"]) {
    const id = await chaos.loaded(`p5/three-${shape}`, { habit: "wrong_shapes", shape, times: 4 });
    await withBystander(chaos, { model: id, class: "crash", cause: "protocol_violation" }, () =>
      losesWorker(id),
    );
  }
});

row(
  "P5",
  "fixture",
  "a token in the wrong shape: an error for that request, because a part of it is lost",
  async () => {
    const id = await chaos.loaded("p5/own", { habit: "wrong_shapes", shape: "own", times: 1 });
    const pid = await chaos.pid(id);
    await withBystander(chaos, null, async () => {
      expect(await chaos.ask(id, "bad")).toMatchObject({ error: "worker_crashed", text: "the " });
      await isUnharmed(id, pid);
    });
  },
);

row("P5", "fixture", "a request accepted in the wrong shape: an error for that request alone", async () => {
  const id = await chaos.loaded("p5/answer", { habit: "wrong_answer" });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    const { status, error } = await chaos.ask(id, "bad");
    expect(status).toBeGreaterThanOrEqual(500);
    expect(["internal_error", "worker_crashed"]).toContain(error);
    await isUnharmed(id, pid);
  });
});

slowRow("P6", "fixture", "a byte a second on stdout: no deadlock, the heartbeat decides", async () => {
  const id = await chaos.loaded("p6/slow", { habit: "slow_stdout" });
  await withBystander(chaos, { model: id, class: "crash", cause: "hung" }, () => losesWorker(id));
});

row("P6", "fixture", "100 MB on stderr: no deadlock, the answer is whole, memory is bounded", async () => {
  const id = await chaos.loaded("p6/flood", { habit: "stderr_flood" });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    expect(await chaos.ask(id, "bad")).toMatchObject({ error: null, text: sound });
    await isUnharmed(id, pid);
  });
});

slowRow(
  "P7",
  "fixture",
  "stops reading with megabytes queued, then dies: the request ends, the API lives",
  async () => {
    const id = await chaos.loaded("p7/deaf", { habit: "stops_reading", seconds: 2.5 });
    const first = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "crash", cause: /exit_1|hung/ }, async () => {
      const began = performance.now();
      const answer = await chaos.ask(id, "x".repeat(8 * MEBIBYTE));
      // In flight at two crashes it is refused; after one its client is told to try again.
      const refused = answer.status === 400;
      expect([answer.status, answer.error]).toEqual(
        refused ? [400, "request_suspected"] : [503, "worker_crashed"],
      );
      // It may have been sent twice, to two workers that live 2.5 s each.
      expect(performance.now() - began).toBeLessThan(60_000);
      expect(isAlive(first)).toBe(false);
      await chaos.admin("/admin/models/unload", { model_id: id });
    });
  },
);

row("P8", "fixture", "more than 100 MB of output: the worker is not ended", async () => {
  const id = await chaos.loaded("p8/wordy", { habit: "much_output" });
  const pid = await chaos.pid(id);
  await withBystander(chaos, null, async () => {
    expect(await chaos.ask(id, "bad")).toMatchObject({ error: null, text: sound });
    await isUnharmed(id, pid);
  });
});

slowRow(
  "P9",
  "fixture",
  "a cancel that is never answered, and tokens after it: dropped, nobody is killed",
  async () => {
    const id = await chaos.loaded("p9/clings", { habit: "ignores_cancel" });
    const pid = await chaos.pid(id);
    await withBystander(chaos, null, async () => {
      const leaving = new AbortController();
      const response = await chaos.lmx.chat(
        id,
        "hello",
        { stream: true, max_tokens: 100_000 },
        { signal: leaving.signal },
      );
      const reader = response.body?.getReader();
      await reader?.read();
      leaving.abort();
      await waitUntil(
        "its row is free",
        async () => (await chaos.model(id)).worker?.in_flight === 0,
        hungWithinMs("fixture"),
      );
      // The row still writes tokens that nobody wants, for longer than three pings take.
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      await isUnharmed(id, pid);
    });
  },
);
