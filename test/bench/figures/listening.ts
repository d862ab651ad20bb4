import { connect } from "node:net";
import type { BenchContext } from "../bench-context.ts";
import type { Figure } from "../figure.ts";
import type { LmxService } from "../servers/lmx-service.ts";

const LOOK_AGAIN_MS = 2;

/** The very first start in a state directory, which has no compiled code of the program yet. */
export const listeningFirst: Figure = {
  name: "listening-first",
  title: "start to listening: the very first",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [],
  measure: (context) => measured(context, async () => {}),
};

/** From starting `lmx serve` to the first TCP connection it takes. */
export const listening: Figure = {
  name: "listening",
  title: "start to listening",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 500 }],
  measure: (context) => measured(context, (service) => service.startAgain()),
};

async function measured(
  context: BenchContext,
  prepare: (service: LmxService) => Promise<void>,
): Promise<number[]> {
  const service = await context.freshService();
  try {
    await prepare(service);
    const started = service.child.startedAt;
    await service.child.until(() => connects(service.port), LOOK_AGAIN_MS);
    return [performance.now() - started];
  } finally {
    await service.end();
  }
}

function connects(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(undefined));
    socket.once("connect", () => {
      resolve(true);
      socket.destroy();
    });
  });
}
