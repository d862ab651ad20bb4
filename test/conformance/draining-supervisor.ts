import { isAlive, RunningSupervisor } from "../support/running-supervisor.ts";
import { readChatStream } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";

const BUSY = "tiny/busy";

export interface DrainingSupervisor {
  readonly url: string;
  dispose(): Promise<void>;
}

/** A server that was told to stop and waits for a stream that does not end: its worker is stopped in the middle of it. */
export async function drainingSupervisor(): Promise<DrainingSupervisor> {
  const lmx = await RunningSupervisor.start({
    models: { [BUSY]: tinyModels().endless },
    args: ["--auto-load", BUSY],
    routable: [BUSY],
  });
  const worker = (await lmx.model(BUSY)).worker?.pid ?? 0;
  const flowing = Promise.withResolvers<void>();
  const stream = await lmx.chat(BUSY, "go on", { stream: true, max_tokens: 1500 });
  const read = readChatStream(stream, () => flowing.resolve()).catch(() => {});
  await flowing.promise;
  process.kill(worker, "SIGSTOP");
  lmx.process.kill("SIGTERM");
  await lmx.outputShows(/SIGTERM/);
  return {
    url: lmx.url,
    dispose: async () => {
      await lmx.dispose();
      if (isAlive(worker)) process.kill(worker, "SIGKILL");
      await read;
    },
  };
}
