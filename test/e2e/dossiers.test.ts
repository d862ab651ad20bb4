import { readdirSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Dossier, DossierList } from "../../shared/dossier.ts";
import type { ServiceEvent } from "../../shared/events.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { readChatStream, sseData } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";

const running: RunningSupervisor[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((supervisor) => supervisor.dispose()));
});

/** Reads events until one is what is waited for; the connection is closed then. */
async function eventsUntil(
  lmx: RunningSupervisor,
  lastEventId: number,
  isLast: (event: ServiceEvent) => boolean,
): Promise<ServiceEvent[]> {
  const leave = new AbortController();
  const headers = { "last-event-id": String(lastEventId) };
  const response = await lmx.fetch("/admin/events", { headers, signal: leave.signal });
  const seen: ServiceEvent[] = [];
  for await (const data of sseData(response)) {
    const event = JSON.parse(data) as ServiceEvent;
    seen.push(event);
    if (isLast(event)) break;
  }
  leave.abort();
  return seen;
}

const MODEL = "tiny/endless";
const isRoutable = ({ type, details }: ServiceEvent) => type === "state" && details.to === "routable";

describe("a real worker that dies of a signal in the middle of an answer", () => {
  it("leaves a dossier without a prompt, and a client of the events sees all of it over two connections", async () => {
    const key = "e2e-admin-key-4711";
    // One that never ends by itself: however late the signal comes, it is in the middle.
    const lmx = await RunningSupervisor.start({
      models: { [MODEL]: tinyModels().endless },
      args: ["--auto-load", MODEL],
      routable: [MODEL],
    });
    running.push(lmx);
    const before = await eventsUntil(lmx, 0, isRoutable);
    expect(before.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["reset", "worker_started", "canary"]),
    );
    const seen = before.at(-1)!.id;
    const victim = (await lmx.model(MODEL)).worker?.pid ?? 0;

    const prompt = "Tell me a story about zebrafinches";
    const response = await lmx.chat(
      MODEL,
      prompt,
      { stream: true, max_tokens: 2_000 },
      { headers: { "content-type": "application/json", "x-request-id": "req_e2e_1", "x-api-key": key } },
    );
    let isKilled = false;
    const answer = await readChatStream(response, (soFar) => {
      if (soFar.length > 40 && !isKilled) isKilled = process.kill(victim, "SIGSEGV");
    });
    expect(answer.errors).toEqual(["worker_crashed"]);

    const after = await eventsUntil(lmx, seen, isRoutable);
    expect(after.map(({ id }) => id)).toEqual(after.map((_, index) => seen + 1 + index));
    const exit = after.find(({ type }) => type === "worker_exited")!;
    expect(exit).toMatchObject({
      model: MODEL,
      details: { pid: victim, cause: "native_segv", class: "crash", signal: "SIGSEGV" },
    });

    const list = (await (await lmx.fetch("/admin/models/dossiers")).json()) as DossierList;
    expect(list.data.map(({ id }) => id)).toEqual([exit.details.dossier_id]);
    const id = String(exit.details.dossier_id);
    const dossier = (await (await lmx.fetch(`/admin/models/dossiers/${id}`)).json()) as Dossier;
    expect(dossier).toMatchObject({
      model: MODEL,
      phase: "serving",
      cause: "native_segv",
      class: "crash",
      signal: "SIGSEGV",
      exit_code: null,
      ended_by: null,
      pid: victim,
      in_flight: ["req_e2e_1"],
      next: { action: "restarted" },
      versions: { opta_lmx: expect.any(String), mlx: expect.any(String), mlx_lm: expect.any(String) },
    });
    expect(dossier.advice).toBeTruthy();
    // Python's own handler writes the stacks before the process dies.
    expect(dossier.stack_dump).toMatch(/Fatal Python error: Segmentation fault[\s\S]*most recent call first/);
    if (process.platform === "linux") {
      expect(dossier.memory_timeline.length).toBeGreaterThan(0);
      for (const { bytes } of dossier.memory_timeline) expect(bytes).toBeGreaterThan(1024 * 1024);
    }

    const names = readdirSync(join(lmx.home, "dossiers"));
    expect(names).toEqual([`${id}.json`]);
    const text = readFileSync(join(lmx.home, "dossiers", names[0]!), "utf8");
    const homes = [lmx.home, `${userInfo().homedir}/`];
    for (const secret of ["zebrafinches", prompt, key, answer.text.slice(0, 40), ...homes])
      expect(text, secret).not.toContain(secret);

    const said = (await lmx.lmx("logs", "--model", MODEL, "--worker")).stdout;
    const lines = said
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const ofVictim = lines.filter(({ pid }) => pid === victim);
    expect(ofVictim.map(({ msg }) => msg)).toContain("Fatal Python error: Segmentation fault");
    expect(ofVictim[0]).toMatchObject({ model: MODEL, msg: "worker taken" });
    expect(ofVictim.at(-1)).toMatchObject({ msg: "worker exited", signal: "SIGSEGV", intent: null });
    for (const secret of ["zebrafinches", key, ...homes]) expect(said, secret).not.toContain(secret);

    expect((await lmx.lmx("dossiers", "show", id)).stdout).toContain("native_segv (crash)");
    expect((await lmx.lmx("events")).stdout).toContain(`dossier ${id}`);
  });

  it("does not hold up the end of the service with a client of the events, who hears it to the end", async () => {
    const lmx = await RunningSupervisor.start();
    running.push(lmx);
    const response = await lmx.fetch("/admin/events");
    const reading = (async () => {
      const seen: string[] = [];
      for await (const data of sseData(response)) seen.push((JSON.parse(data) as ServiceEvent).type);
      return seen;
    })();
    expect(await lmx.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(await reading).toContain("worker_exited");
    expect(readdirSync(lmx.home)).not.toContain("dossiers");
  });
});
