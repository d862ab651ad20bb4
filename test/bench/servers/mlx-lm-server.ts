import type { Children } from "./children.ts";
import { freePort } from "./free-port.ts";
import { HttpChat } from "./http-chat.ts";
import type { BenchPlaces } from "./places.ts";

const LOOK_AGAIN_MS = 50;

/**
 * The server that comes with mlx_lm, set up as well as its options allow: as many rows as ours and no log line per
 * request.
 */
export async function startMlxLmServer(children: Children, places: BenchPlaces): Promise<HttpChat> {
  const port = await freePort();
  const options = {
    "--model": places.modelDirectory,
    "--host": "127.0.0.1",
    "--port": String(port),
    "--decode-concurrency": "32",
    "--prompt-concurrency": "8",
    "--log-level": "ERROR",
  };
  const args = ["-m", "mlx_lm", "server", ...Object.entries(options).flat()];
  const child = children.start(places.python, args, places.pythonEnvironment);
  const url = `http://127.0.0.1:${port}`;
  await child.until(() => answersHealth(url), LOOK_AGAIN_MS);
  return new HttpChat(url, "default_model");
}

async function answersHealth(url: string): Promise<true | undefined> {
  const answer = await fetch(`${url}/health`).catch(() => null);
  await answer?.body?.cancel();
  return answer?.ok ? true : undefined;
}
