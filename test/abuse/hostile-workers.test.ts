import { afterAll, beforeAll, expect } from "vitest";
import { ChaosService } from "../chaos/chaos-service.ts";
import { isWhole, slowAbuse } from "./row.ts";
import { underAbuse } from "./under-abuse.ts";

/** Clients of the worker that was taken over. */
const CLIENTS = isWhole ? 20 : 4;

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "fixture", config: { quarantine: { failures: 1_000 } } });
});

afterAll(() => service?.dispose());

/** Many clients ask a model whose worker has been taken over. @returns how each request ended, once */
async function endsOf(id: string): Promise<readonly (string | null)[]> {
  const answers = await Promise.all(
    Array.from({ length: CLIENTS }, (_, n) => service.ask(id, `bad ${n}`, { max_tokens: 200 })),
  );
  return answers.map(({ error, finish }) => error ?? finish);
}

slowAbuse("K1", "a worker that says seven megabytes where a word is expected, in every event", async () => {
  const ids = await Promise.all(
    ["name", "id", "arguments"].map((where) =>
      service.loaded(`k1/${where}`, { habit: "says_too_much", where, times: 4 }),
    ),
  );
  await underAbuse(service, async () => {
    for (const id of ids) {
      const ends = await endsOf(id);
      // Arguments may be long; a name or an id that is ends the worker.
      if (id !== "k1/arguments") expect(ends).not.toContain("length");
    }
  });
});

slowAbuse("K2", "a worker whose lines would become gigabytes", async () => {
  const ids = await Promise.all(
    (isWhole ? ["objects", "rows", "deep", "numbers"] : ["objects", "deep"]).map((what) =>
      service.loaded(`k2/${what}`, { habit: "says_too_many", what }),
    ),
  );
  await underAbuse(service, async () => {
    for (const id of ids) expect(await endsOf(id)).not.toContain("length");
  });
});
