import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";
import { promptText } from "../prompt-text.ts";

const STREAMS = 8;
const AFTER_CANCEL_MS = 300;

/** Seen at the worker's pipe: from the cancel being written to the first step without the cancelled row. */
export const cancelToNextStep: Figure = {
  name: "cancel-to-next-step",
  title: "cancel to the first step free of it",
  unit: "ms",
  subjects: ["worker"],
  goals: [],
  async measure(context, _subject, round) {
    const worker = await context.worker();
    const rows = Array.from({ length: STREAMS }, (_, index) =>
      worker.openNamed({ prompt: promptText(`next-step/${round}/${index}`, 64), maxTokens: 8000 }),
    );
    try {
      await Promise.all(rows.map(({ stream }) => stream.reaches(10)));
      const samples: number[] = [];
      for (const row of rows.slice(1)) {
        const started = performance.now();
        row.stream.leave();
        await new Promise<void>((resolve) => {
          worker.onStep = (ids) => {
            if (!ids.includes(row.id)) resolve();
          };
        });
        samples.push(performance.now() - started);
      }
      return samples;
    } finally {
      worker.onStep = () => {};
      for (const { stream } of rows) stream.leave();
      await delay(AFTER_CANCEL_MS);
    }
  },
};
