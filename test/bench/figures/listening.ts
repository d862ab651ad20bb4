import { connect } from "node:net";
import type { Figure } from "../figure.ts";

const LOOK_AGAIN_MS = 2;

/** From starting `lmx serve` to the first TCP connection it takes. */
export const listening: Figure = {
  name: "listening",
  title: "start to listening",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 500 }],
  async measure(context) {
    const service = await context.freshService();
    try {
      const started = service.child.startedAt;
      await service.child.until(() => connects(service.port), LOOK_AGAIN_MS);
      return [performance.now() - started];
    } finally {
      await service.end();
    }
  },
};

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
