import { afterAll, beforeAll, expect } from "vitest";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import { abuse, isWhole } from "./row.ts";
import { underAbuse } from "./under-abuse.ts";

const STREAMS = 100;
const TOKENS = isWhole ? 400 : 200;
/** Of a full batch of the tiny model, on two processors that attacker and supervisor share. Milliseconds. */
const STEP_MS = 250;
/** A step of a full batch takes as long for the other client's row as for those beside it. */
const SHARED_BATCH = { slowdown: 40 };

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real" });
});

afterAll(() => service?.dispose());

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
  // Times are for the whole run, on a machine at rest; its requests were answered meanwhile, or this was not reached.
  if (!isWhole) return;
  // Without its turns it waits for hundreds of steps and then takes forty of its own.
  expect(firstTokenMs).toBeLessThan(disturbedMs / 2);
  expect(firstTokenMs).toBeLessThan(2 * undisturbedFirstTokenMs + STEP_MS);
});
