import { expect } from "vitest";
import type { DossierList, DossierSummary } from "../../shared/dossier.ts";
import type { ServiceEvent } from "../../shared/events.ts";
import type { ChaosService } from "../chaos/chaos-service.ts";
import { workersOf } from "../chaos/processes.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import { sseData } from "../support/sse.ts";
import { type AuditRow, explain, isExplained, type Standing, standingOf } from "./explain-state.ts";
import type { Call, OperatorScript } from "./operator-scripts.ts";

/** A model comes to rest quickly; a machine that is busy may take long. Milliseconds. */
const AT_REST_MS = 60_000;
/** Between two looks at the worker processes. Milliseconds. */
const SAMPLE_MS = 200;

/** Rounds of all scripts at once on one model, with a look at what each has come to. */
export class Rounds {
  readonly #chaos: ChaosService;
  readonly #modelId: string;
  readonly #scripts: readonly OperatorScript[];
  readonly #outcomes = new Map<string, number>();
  readonly #standings = new Map<Standing, number>();
  #count = 0;
  readonly #killed = new Set<number>();
  #deaths = 0;
  #standing: Standing = "up";
  #lastEvent = 0;
  /** Its worker, by what the events have told so far; null: it has none. */
  #living: unknown = null;

  /** The model is loaded, and nobody asks anything of it yet. */
  constructor(chaos: ChaosService, modelId: string, scripts: readonly OperatorScript[]) {
    this.#chaos = chaos;
    this.#modelId = modelId;
    this.#scripts = scripts;
  }

  /** What was before is none of its business. */
  async begin(): Promise<void> {
    // Whoever has seen none before is told that there may have been others.
    const [, ...events] = await this.#newEvents();
    this.#expectOneWorkerAtATime(events, "before");
  }

  async perform(): Promise<void> {
    this.#count += 1;
    const where = `round ${this.#count}`;
    const began = Date.now();
    const sampler = new ProcessSampler(this.#chaos.home);
    const performed = await Promise.all(
      this.#scripts.map((script) => script.perform((pid) => this.#killed.add(pid))),
    ).finally(() => sampler.stop());
    expect(sampler.most, `${where}: the bystander's worker and one of the model`).toBeLessThanOrEqual(2);
    const calls = performed.flat();
    for (const call of calls) this.#noteAnswer(call, where);

    const now = await standingAtRest(this.#chaos, this.#modelId);
    const events = await this.#newEvents();
    this.#expectOneWorkerAtATime(events, where);
    const exits = events.filter(({ type }) => type === "worker_exited");
    const deaths = await this.#dossiers(exits.flatMap(({ details }) => details.dossier_id ?? []).map(String));
    this.#deaths += deaths.length;
    const unkilled = deaths.filter(({ pid }) => !this.#killed.has(pid ?? 0));
    expect(unkilled, `${where}: nobody dies but who was killed`).toEqual([]);

    const rows = (await auditRows(this.#chaos)).filter(({ ts }) => Date.parse(ts) >= began);
    this.#expectRows(rows, performed, where);
    const explained = explain(this.#standing, rows, deaths);
    const trail = rows.filter(({ model }) => model !== null).map(({ ts, reason }) => `${ts} ${reason}`);
    const died = deaths.map(({ at, next }) => `${at} died: ${JSON.stringify(next)}`);
    const inTime = [...trail, ...died].toSorted(
      (a, b) => Date.parse(a.slice(0, 24)) - Date.parse(b.slice(0, 24)),
    );
    const story = [`from ${this.#standing}`, ...inTime].join("\n");
    expect(isExplained(now, explained), `${where}: ${now} is not ${[...explained]}\n${story}`).toBe(true);
    if (now === "out") await this.#expectTold(rows, where);
    this.#standing = now;
    this.#standings.set(now, (this.#standings.get(now) ?? 0) + 1);
  }

  /** Calls by verb and outcome, and what else happened. */
  figures(): Record<string, unknown> {
    return {
      rounds: this.#count,
      calls: [...this.#outcomes.values()].reduce((sum, count) => sum + count, 0),
      outcomes: Object.fromEntries([...this.#outcomes].toSorted()),
      kills: this.#killed.size,
      dossiers: this.#deaths,
      standings: Object.fromEntries(this.#standings),
      last: this.#standing,
    };
  }

  #noteAnswer({ action, status, error, reason }: Call, where: string): void {
    const outcome = `${action} ${status}${error === null ? "" : ` ${error}`}`;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    const known = [null, ...(MAY_ANSWER[action] ?? [])];
    expect(known, `${where}: ${reason} was answered with ${outcome}`).toContain(error);
  }

  /** One row for every call but the chats, in each script's own order, and each says who, what and why. */
  #expectRows(rows: readonly AuditRow[], performed: readonly Call[][], where: string): void {
    for (const [index, calls] of performed.entries()) {
      const key = this.#scripts[index]?.key ?? "";
      const expected = calls
        .filter(({ action }) => action !== "chat")
        .map(({ action, reason }) => ({
          action: action === "reload" ? "reload_config" : action,
          model: action === "reload" ? null : this.#modelId,
          reason: action === "reload" ? null : reason,
          actor: { key, address: expect.stringContaining("127.0.0.1"), via: "http" },
        }));
      const own = rows.filter(({ actor }) => actor.key === key);
      expect(own, `${where}: the rows of script ${index}`).toMatchObject(expected);
    }
    expect(rows.filter(({ actor }) => !this.#scripts.some(({ key }) => key === actor.key))).toEqual([]);
    expect(rows.map(({ ts }) => ts)).toEqual(rows.map(({ ts }) => ts).toSorted());
  }

  /** Of the model, since the last look. */
  async #newEvents(): Promise<ServiceEvent[]> {
    const query = `model=${this.#modelId}&follow=false&last_event_id=${this.#lastEvent}`;
    const events: ServiceEvent[] = [];
    for await (const data of sseData(await this.#chaos.lmx.fetch(`/admin/events?${query}`)))
      events.push(JSON.parse(data) as ServiceEvent);
    this.#lastEvent = events.at(-1)?.id ?? this.#lastEvent;
    return events;
  }

  #expectOneWorkerAtATime(events: readonly ServiceEvent[], where: string): void {
    for (const { type, details } of events) {
      expect(type, `${where}: no event may be missed`).not.toBe("reset");
      if (type === "worker_started") {
        expect(this.#living, `${where}: a worker started beside another one`).toBeNull();
        this.#living = details.pid;
      }
      if (type !== "worker_exited") continue;
      expect(details.pid, where).toBe(this.#living);
      this.#living = null;
    }
  }

  /** Why it is out is what the last operator who put it there has said. */
  async #expectTold(rows: readonly AuditRow[], where: string): Promise<void> {
    const last = rows.findLast(({ action }) => action === "quarantine");
    if (last === undefined) return;
    expect((await this.#chaos.model(this.#modelId)).readiness.reason?.message, where).toContain(
      last.reason ?? "",
    );
  }

  /** The dossiers of these ids, oldest first, once all are there. */
  async #dossiers(ids: readonly string[]): Promise<DossierSummary[]> {
    return await waitUntil(
      "every death has its dossier",
      async () => {
        const answer = await this.#chaos.lmx.fetch(`/admin/models/dossiers?model=${this.#modelId}&limit=200`);
        const { data } = (await answer.json()) as DossierList;
        const found = data.filter(({ id }) => ids.includes(id)).toReversed();
        return found.length === ids.length && found;
      },
      AT_REST_MS,
    );
  }
}

/** Errors a verb may be answered with when others have their say at the same time; the other verbs always succeed. */
const LOADING = ["model_not_ready", "model_unstable", "model_loader_crashed", "worker_crashed"];
const MAY_ANSWER: Partial<Record<Call["action"], readonly string[]>> = {
  load: LOADING,
  restart: LOADING,
  chat: ["model_not_ready", "model_unstable", "worker_crashed", "rate_limit_exceeded"],
};

/** Looks at the processes while a round goes on. */
class ProcessSampler {
  most = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(home: string) {
    this.#timer = setInterval(() => {
      this.most = Math.max(this.most, workersOf(home).length);
    }, SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Where a model beside the bystander is once nobody asks any more and nothing of it is on its way. */
export async function standingAtRest(chaos: ChaosService, modelId: string): Promise<Standing> {
  return await waitUntil(
    "the model is at rest, and only what serves has a process",
    async () => {
      const standing = standingOf(await chaos.lmx.model(modelId), Date.now());
      return workersOf(chaos.home).length === (standing === "up" ? 2 : 1) && standing;
    },
    AT_REST_MS,
  );
}

/** Oldest first. */
export async function auditRows(chaos: ChaosService): Promise<AuditRow[]> {
  const answer = await chaos.lmx.fetch("/admin/audit?limit=2000");
  return ((await answer.json()) as { data: AuditRow[] }).data.toReversed();
}
