import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { wholeAnswer } from "../servers/text-stream.ts";

const LONG_PROMPT_TOKENS = 4096;
const SHORT_PROMPT_TOKENS = 64;
/** How long after the long prompt the short one comes: another point of the prefill in every round. Milliseconds. */
const HEAD_STARTS_MS = [100, 400, 200, 600, 300];

/** Time to first token of a short prompt that comes while a long one is being read. */
export const firstTokenBesidePrefill: Figure = {
  name: "first-token-beside-prefill",
  title: "first token, beside a 4k prompt being read",
  unit: "ms",
  subjects: ["mlx_lm.server", "worker", "opta-lmx"],
  goals: [],
  async measure(context, subject, round) {
    if (subject === "bare") throw new Error("the bare loop has no second client");
    const server = await context.server(subject);
    const long = wholeAnswer(server, {
      prompt: promptText(`beside-prefill/${round}/long`, LONG_PROMPT_TOKENS),
      maxTokens: 2,
    });
    long.catch(() => {});
    await delay(HEAD_STARTS_MS[round % HEAD_STARTS_MS.length]);
    const short = await wholeAnswer(server, {
      prompt: promptText(`beside-prefill/${round}/short`, SHORT_PROMPT_TOKENS),
      maxTokens: 2,
    });
    await long;
    return [await short.firstTextMs()];
  },
};
