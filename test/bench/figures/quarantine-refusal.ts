import type { Figure } from "../figure.ts";
import type { LmxService } from "../servers/lmx-service.ts";

const REQUESTS = 1_000;

/** A quarantined model answers at once, and nobody starts anything for it. */
export const quarantineRefusal: Figure = {
  name: "quarantine-refusal",
  title: `409 of a quarantined model, ${REQUESTS} requests one after the other`,
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "p99", direction: "at-most", value: 10 }],
  async measure(context) {
    const service = await context.freshService();
    const { modelId } = context.places;
    try {
      await service.routable(modelId);
      await post(service, "/admin/models/quarantine", { model_id: modelId, reason: "benchmark" });
      const before = await loads(service);
      const times: number[] = [];
      for (let request = 0; request < REQUESTS; request += 1) times.push(await refused(service, modelId));
      if ((await loads(service)) !== before) throw new Error("expected that nothing was loaded");
      return times;
    } finally {
      await service.end();
    }
  },
};

/** Milliseconds. @throws when the answer is not the one a client can rely on */
async function refused(service: LmxService, model: string): Promise<number> {
  const askedAt = performance.now();
  const body = { model, messages: [{ role: "user", content: "ping" }] };
  const answer = await post(service, "/v1/chat/completions", body);
  const { error } = (await answer.json()) as { error?: { code?: string } };
  const took = performance.now() - askedAt;
  const isRight =
    answer.status === 409 &&
    error?.code === "model_unstable" &&
    answer.headers.get("x-should-retry") === "false";
  if (!isRight) throw new Error(`expected 409 model_unstable, got ${answer.status} ${error?.code}`);
  return took;
}

/** Loads that came to an end, of all models. */
async function loads(service: LmxService): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const counts = [...text.matchAll(/^opta_lmx_load_duration_seconds_count\{[^}]*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function post(service: LmxService, path: string, body: object): Promise<Response> {
  return fetch(`${service.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
