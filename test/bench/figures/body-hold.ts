import { modelSettingsSchema } from "../../../shared/config.ts";
import { BodyDecoder, INLINE_LIMITS } from "../../../supervisor/http/body/body-decoder.ts";
import { INFERENCE_LIMITS } from "../../../supervisor/http/body/body-limits.ts";
import { readBody } from "../../../supervisor/http/body/read-body.ts";
import type { Figure } from "../figure.ts";
import { longestHoldMs } from "../longest-hold.ts";

const SETTINGS = modelSettingsSchema.parse({});
const HOLD_GOAL = {
  kind: "limit",
  of: "opta-lmx",
  statistic: "p99",
  direction: "at-most",
  value: 20,
} as const;

/** Bodies that just go through on the event loop: one long text, and as many short values as may be. */
const SMALL = [
  {
    model: "m",
    messages: [{ role: "user", content: "hällo ".repeat(Math.floor((INLINE_LIMITS.bytes - 100) / 7)) }],
  },
  {
    model: "m",
    messages: Array.from({ length: Math.floor(INLINE_LIMITS.values / 6) - 2 }, (_, index) => ({
      role: "user",
      content: [{ type: "text", text: `${index}` }],
    })),
  },
];

/** The largest of both kinds that are read at all. */
const LARGE = [
  { model: "m", messages: [{ role: "user", content: "word ".repeat(INFERENCE_LIMITS.bytes / 5 - 100) }] },
  {
    model: "m",
    messages: Array.from({ length: 16_000 }, (_, index) => ({
      role: "user",
      content: [{ type: "text", text: `${index}` }],
    })),
  },
];

/** Reading and decoding a body: the longest time in which no other request could have been answered. */
export const smallBodyHold = bodyHold(
  "small-body-hold",
  "longest hold of the event loop by a body it decodes",
  SMALL,
);
export const largeBodyHold = bodyHold("large-body-hold", "the same by the largest bodies", LARGE);

function bodyHold(name: string, title: string, bodies: readonly object[]): Figure {
  return {
    name,
    title,
    unit: "ms",
    subjects: ["opta-lmx"],
    goals: [HOLD_GOAL],
    async measure(context) {
      const decoder = new BodyDecoder();
      const samples: number[] = [];
      try {
        for (let round = 0; round < (context.quick ? 3 : 20); round += 1)
          for (const body of bodies) samples.push(await longestHoldMs(decode(decoder, JSON.stringify(body))));
      } finally {
        await decoder.close();
      }
      // The first ones wait for the compiler and for the thread.
      return samples.slice(bodies.length);
    },
  };
}

async function decode(decoder: BodyDecoder, text: string): Promise<void> {
  const request = new Request("http://localhost/", { method: "POST", body: text });
  const body = await readBody(request, INFERENCE_LIMITS);
  await decoder.decode("chat-completions", body, {
    assignedSeed: 1,
    owner: "bench",
    findSettings: async () => SETTINGS,
  });
}
