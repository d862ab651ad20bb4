import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";
import { recoveryTime } from "../recovery-time.ts";
import { median } from "../statistics.ts";

const SURVIVORS = 8;
const HEAVY_PROMPT_TOKENS = 4096;
/** Every survivor has settled again by then, whatever the server. */
const WATCH_MS = 2_000;
const AFTER_CANCEL_MS = 1_000;

/** A client with a long context leaves eight others: how long they still pay for it. */
export const cancelRecovery: Figure = {
  name: "cancel-recovery",
  title: "a heavy client leaves: until the others run freely",
  unit: "ms",
  subjects: ["mlx_lm.server", "worker", "opta-lmx"],
  goals: [],
  async measure(context, subject, round) {
    if (subject === "bare") throw new Error("the bare loop has no clients");
    const server = await context.server(subject);
    const survivors = Array.from({ length: SURVIVORS }, (_, index) =>
      server.open({ prompt: promptText(`cancel/${round}/${index}`, 64), maxTokens: 6000 }),
    );
    try {
      await Promise.all(survivors.map((stream) => stream.reaches(5)));
      const heavy = server.open({
        prompt: promptText(`cancel/${round}/heavy`, HEAVY_PROMPT_TOKENS),
        maxTokens: 6000,
      });
      await heavy.reaches(25);
      const leftAt = performance.now();
      heavy.leave();
      await delay(WATCH_MS);
      return [median(survivors.map((stream) => recoveryTime(stream.textTimes, leftAt)))];
    } finally {
      for (const stream of survivors) stream.leave();
      await delay(AFTER_CANCEL_MS);
    }
  },
};
