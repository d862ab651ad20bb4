import { afterAll, beforeAll, expect } from "vitest";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import { abuse, isWhole } from "./row.ts";
import { underAbuse } from "./under-abuse.ts";

const STREAMS = 100;
const TOKENS = isWhole ? 400 : 200;
/** As many streams as the worker has places: `max_concurrency` where nothing is configured. */
const PLACES = 32;
/** So many that a newcomer can be late on a busy machine and still comes before their end. */
const LONG_TOKENS = 1_000;
const FULL_WITHIN_MS = 60_000;
/** Of a full batch of the tiny model, on two processors that attacker and supervisor share. Milliseconds. */
const STEP_MS = 250;
/** A step of a full batch takes as long for the other client's row as for those beside it. */
const SHARED_BATCH = { slowdown: 40 };

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real" });
});

afterAll(() => service?.dispose());

// Without a client that asks all the time: its leaving would make room.
abuse(
  "U1",
  "a client that comes when every place is taken has its first token before any stream ends",
  async () => {
    const begun = new Set<string>();
    let ended = 0;
    const stream = async (user: string, prompt: string) => {
      const answer = await service.ask(BYSTANDER, prompt, { user, max_tokens: LONG_TOKENS }, () =>
        begun.add(prompt),
      );
      ended += 1;
      return answer;
    };
    const streams = Array.from({ length: PLACES }, (_, n) => stream("greedy", `story ${n}`));
    await waitUntil("the greedy streams run", () => begun.size >= PLACES - 1, FULL_WITHIN_MS);
    // The last place may be kept for an owner that was here a moment ago, such as the canary: it is this one's now.
    streams.push(stream("second", "a second client"));
    await waitUntil("every place is taken", () => begun.has("a second client"), FULL_WITHIN_MS);
    let endedBefore: number | null = null;
    const newcomer = await service.ask(BYSTANDER, "go on", { user: "newcomer", max_tokens: 8 }, () => {
      endedBefore ??= ended;
    });
    expect(newcomer.error).toBeNull();
    // Without its turn it waits for the end of one of them.
    expect(endedBefore).toBe(0);
    const answers = await Promise.all(streams);
    expect(answers.filter(({ error, finish }) => error !== null || finish !== "length")).toEqual([]);
  },
);

abuse("U1", "a hundred greedy streams of the model that another client asks", async () => {
  const greedy = async () => {
    const answers = await Promise.all(
      Array.from({ length: STREAMS }, (_, n) => service.ask(BYSTANDER, `story ${n}`, { max_tokens: TOKENS })),
    );
    expect(answers.filter(({ error }) => error !== null)).toEqual([]);
  };
  const { firstTokenMs, undisturbedFirstTokenMs, disturbedMs } = await underAbuse(
    service,
    greedy,
    SHARED_BATCH,
  );
  // Times are for the whole run, on a machine at rest; the order is asserted above.
  if (!isWhole) return;
  // Without its turns it waits for hundreds of steps and then takes forty of its own.
  expect(firstTokenMs).toBeLessThan(disturbedMs / 2);
  expect(firstTokenMs).toBeLessThan(2 * undisturbedFirstTokenMs + STEP_MS);
});
