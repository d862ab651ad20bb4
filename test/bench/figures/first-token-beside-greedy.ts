import { setTimeout as delay } from "node:timers/promises";
import type { BenchContext } from "../bench-context.ts";
import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { HttpChat } from "../servers/http-chat.ts";
import { type TextStream, wholeAnswer } from "../servers/text-stream.ts";
import { median } from "../statistics.ts";

const GREEDY_STREAMS = 100;
const PROMPT_TOKENS = 64;
/** Of the full batch, to see how long one takes. */
const STEPS = 30;
const SAMPLES = 10;
const QUICK_SAMPLES = 3;
/** Between two requests of the other client, so that no rhythm of the batch is always met at the same point. Milliseconds. */
const PAUSE_MS = 370;

interface Disturbance {
  readonly aloneMs: number;
  readonly stepMs: number;
  /** One for each request beside the greedy client. */
  readonly besideMs: readonly number[];
}

/** Time to first token of one client while another, which looks the same, has a hundred streams without end. */
export const firstTokenBesideGreedy: Figure = {
  name: "first-token-beside-greedy",
  title: `first token, beside ${GREEDY_STREAMS} endless streams of another client`,
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [],
  measure: async (context, _subject, round) => (await disturb(context, round)).besideMs,
};

/** The same, beyond what is allowed: twice an undisturbed first token and one step of the full batch. */
export const greedyOvertime: Figure = {
  name: "greedy-overtime",
  title: "the same, beyond twice the undisturbed time and one step",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 0 }],
  async measure(context, _subject, round) {
    const { aloneMs, stepMs, besideMs } = await disturb(context, round);
    return besideMs.map((ms) => ms - 2 * aloneMs - stepMs);
  },
};

/** No keys and no `user`: the hardest case for telling the two apart. */
async function disturb(context: BenchContext, round: number): Promise<Disturbance> {
  const service = await context.freshService();
  const { modelId } = context.places;
  await service.routable(modelId);
  const [greedy, other] = [new HttpChat(service.url, modelId), new HttpChat(service.url, modelId)];
  const streams: TextStream[] = [];
  const count = context.quick ? QUICK_SAMPLES : SAMPLES;
  try {
    const aloneMs = median(await firstTexts(other, `greedy/${round}/alone`, count));
    for (let index = 0; index < GREEDY_STREAMS; index += 1)
      streams.push(
        greedy.open({ prompt: promptText(`greedy/${round}/${index}`, PROMPT_TOKENS), maxTokens: 8000 }),
      );
    const running = await Promise.any(streams.map(reaching));
    const besideMs = await firstTexts(other, `greedy/${round}/beside`, count);
    return { aloneMs, stepMs: median(gaps(running.textTimes)), besideMs };
  } finally {
    for (const stream of streams) stream.leave();
    for (const client of [greedy, other]) client.close();
    await service.end();
  }
}

async function reaching(stream: TextStream): Promise<TextStream> {
  await stream.reaches(STEPS);
  return stream;
}

async function firstTexts(client: HttpChat, name: string, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    await delay(PAUSE_MS);
    const prompt = promptText(`${name}/${index}`, PROMPT_TOKENS);
    times.push(await (await wholeAnswer(client, { prompt, maxTokens: 4 })).firstTextMs());
  }
  return times;
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - (times[index] ?? time));
}
