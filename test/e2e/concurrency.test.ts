import { afterAll, beforeAll, expect, it } from "vitest";
import { WEATHER_QUESTION, WEATHER_TOOL } from "../conformance/weather.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { readChatStream } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";

const ENDLESS = "tiny/mixed";
const AT_ONCE = 32;

let lmx: RunningSupervisor;

beforeAll(async () => {
  lmx = await RunningSupervisor.start({
    models: { [ENDLESS]: tinyModels().endless },
    args: ["--auto-load", `lmx-demo,${ENDLESS}`],
    routable: ["lmx-demo", ENDLESS],
  });
});
afterAll(async () => {
  await lmx.dispose();
});

const PENALTIES = { repetition_penalty: 1.3, presence_penalty: 0.5, frequency_penalty: 0.5 };

/** One request of each kind; `index` makes its neighbours of the same kind differ from it. */
const KINDS: readonly ((index: number) => [path: string, body: object])[] = [
  (index) => chat(`greedy ${index}`, { temperature: 0, max_tokens: 24 + index }),
  (index) => chat("seeded", { temperature: 1.2, seed: index, max_tokens: 30 }),
  (index) => chat("filtered", { seed: index, top_k: 20, top_p: 0.9, min_p: 0.02, max_tokens: 25 }),
  (index) => chat("penalised", { seed: index, ...PENALTIES, logit_bias: { "70": 5 }, max_tokens: 30 }),
  (index) => chat("scored", { temperature: 0, logprobs: true, top_logprobs: 3, max_tokens: 8 + index }),
  (index) => chat("stopped", { seed: index, stop: ["e", "the"], max_tokens: 40 }),
  (index) => [
    "/v1/completions",
    { model: ENDLESS, prompt: [`a ${index}`, "b"], n: 2, seed: 3, max_tokens: 12 },
  ],
  () => chat(WEATHER_QUESTION, { model: "lmx-demo", temperature: 0, tools: [WEATHER_TOOL] }),
];

function chat(content: string, options: object): [string, object] {
  return ["/v1/chat/completions", { model: ENDLESS, messages: [{ role: "user", content }], ...options }];
}

interface Answer {
  /** What a client gets, without what is new every time. */
  readonly said: unknown;
  readonly logprobs: readonly number[];
}

async function answer([path, body]: [string, object]): Promise<Answer> {
  const response = await lmx.post(path, body);
  const logprobs: number[] = [];
  const { choices, usage } = JSON.parse(await response.text(), (key, value) => {
    if (key === "id") return "new every time";
    if (key !== "logprob") return value;
    logprobs.push(value as number);
    return "apart";
  }) as Record<string, unknown>;
  expect(response.status).toBe(200);
  return { said: { choices, usage }, logprobs };
}

/** A client that leaves in the middle of its answer. */
async function leaveEarly(index: number): Promise<void> {
  const leaving = new AbortController();
  const options = { stream: true, max_tokens: 1_000, temperature: 1, seed: index };
  const stream = await lmx.chat(ENDLESS, "never read to its end", options, { signal: leaving.signal });
  await readChatStream(stream, (text) => {
    if (text.length > index) leaving.abort();
  }).catch(() => {});
}

it(`${AT_ONCE} mixed requests at once, others leaving between them, each get what they get alone`, async () => {
  const requests = Array.from({ length: AT_ONCE }, (_, index) => {
    const kind = KINDS[index % KINDS.length];
    if (kind === undefined) throw new Error("no kind");
    return kind(Math.floor(index / KINDS.length));
  });
  const alone: Answer[] = [];
  for (const request of requests) alone.push(await answer(request));
  const leaving = Array.from({ length: 8 }, (_, index) => leaveEarly(index * 5));
  const together = await Promise.all(requests.map(answer));
  await Promise.all(leaving);
  for (const [index, request] of requests.entries()) {
    const [one, other] = [alone[index], together[index]];
    expect(other?.said, JSON.stringify(request)).toEqual(one?.said);
    // The sums of a batch are rounded in another order: the last digits may differ, no more.
    for (const [at, logprob] of (other?.logprobs ?? []).entries())
      expect(logprob).toBeCloseTo(one?.logprobs[at] ?? Number.NaN, 2);
  }
  while (((await lmx.model(ENDLESS)).worker?.in_flight ?? 1) > 0);
});
