import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { type StreamRequest, type StreamServer, wholeAnswer } from "../servers/text-stream.ts";

const PROMPT_TOKENS = 16;
const MAX_TOKENS = 4;

/**
 * What the supervisor adds to the time to first token: the same request over HTTP and straight to a worker with the
 * same model, one right after the other, in turns who is first. Each sample is one difference.
 */
export const addedLatency: Figure = {
  name: "added-latency",
  title: "what the supervisor adds to the first token",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 2 }],
  async measure(context, _subject, round) {
    const service = await context.server("opta-lmx");
    const worker = await context.server("worker");
    const samples: number[] = [];
    for (let index = 0; index < (context.quick ? 20 : 100); index += 1) {
      const request = {
        prompt: promptText(`added-latency/${round}/${index}`, PROMPT_TOKENS),
        maxTokens: MAX_TOKENS,
      };
      samples.push(await difference(service, worker, request, index % 2 === 0));
    }
    return samples;
  },
};

async function difference(
  service: StreamServer,
  worker: StreamServer,
  request: StreamRequest,
  serviceFirst: boolean,
): Promise<number> {
  const first = await firstTextMs(serviceFirst ? service : worker, request);
  const second = await firstTextMs(serviceFirst ? worker : service, request);
  return serviceFirst ? first - second : second - first;
}

async function firstTextMs(server: StreamServer, request: StreamRequest): Promise<number> {
  return await (await wholeAnswer(server, request)).firstTextMs();
}
