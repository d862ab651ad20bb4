import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Dossier, DossierList, DossierSummary } from "../../shared/dossier.ts";
import type { ServiceEvent } from "../../shared/events.ts";
import type { ChaosService } from "../chaos/chaos-service.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import { sseData } from "../support/sse.ts";
import type { KnownDeath } from "./induced-deaths.ts";

/** A death comes quickly; a machine that is busy may take long to tell. Milliseconds. */
const TOLD_MS = 60_000;

/** The dossiers of a model, the newest first. */
export async function dossiersOf(chaos: ChaosService, id: string): Promise<DossierSummary[]> {
  const answer = await chaos.lmx.fetch(`/admin/models/dossiers?model=${id}&limit=200`);
  return ((await answer.json()) as DossierList).data;
}

/** Does something that ends the model's worker, and gives the one dossier that comes of it. */
export async function dossierOf(
  chaos: ChaosService,
  id: string,
  act: () => Promise<unknown>,
): Promise<Dossier> {
  const before = await dossiersOf(chaos, id);
  await act();
  const [newest] = await waitUntil(
    `${id} has one dossier more than ${before.length}`,
    async () => {
      const now = await dossiersOf(chaos, id);
      return now.length > before.length && now;
    },
    TOLD_MS,
  );
  const dossier = (await (await chaos.lmx.fetch(`/admin/models/dossiers/${newest?.id}`)).json()) as Dossier;
  // The list holds the same, but for what is too long for a list.
  const { stderr_tail: listed, ...summary } = newest as DossierSummary;
  expect(dossier).toMatchObject(summary);
  expect(dossier.stderr_tail.endsWith(listed)).toBe(true);
  const file = join(chaos.home, "dossiers", `${dossier.id}.json`);
  await waitUntil("it is on the disk", () => existsSync(file), TOLD_MS);
  return dossier;
}

/** One death, one dossier, and the right one. @param pid of the worker that died */
export function expectDeath(dossier: Dossier, id: string, pid: number | null, known: KnownDeath): void {
  const counted = known.counted ?? (known.class === "crash" || known.class === "resource");
  expect(dossier).toMatchObject({
    model: id,
    cause: known.cause,
    class: known.class,
    phase: known.phase,
    signal: known.signal instanceof RegExp ? expect.stringMatching(known.signal) : (known.signal ?? null),
    exit_code: known.code ?? null,
    recovery: known.recovery,
    counted,
    ...(pid === null ? {} : { pid }),
  });
  if (known.advice === null) expect(dossier.advice).toBeNull();
  else expect(dossier.advice).toMatch(known.advice);
  if (known.endedBy === undefined) expect(dossier.ended_by).toBeNull();
  else expect(dossier.ended_by).toMatch(known.endedBy);
  if (known.said === null) return;
  const isIt = (line: string) =>
    typeof known.said === "string" ? line.includes(known.said) : known.said?.test(line);
  expect(dossier.stderr_tail.split("\n").some(isIt), `${known.said} in ${dossier.stderr_tail}`).toBe(true);
}

/** Hears the service's events from now on, and acts on the first one that is meant; `done` is then true. */
export async function onEvent(
  chaos: ChaosService,
  isMeant: (event: ServiceEvent) => boolean,
  act: (event: ServiceEvent) => void,
): Promise<{ leave(): Promise<void> }> {
  const leaving = new AbortController();
  const response = await chaos.lmx.fetch("/admin/events", { signal: leaving.signal });
  const listening = (async () => {
    for await (const data of sseData(response)) {
      const event = JSON.parse(data) as ServiceEvent;
      if (!isMeant(event)) continue;
      act(event);
      return;
    }
  })().catch(() => {});
  return {
    leave: async () => {
      leaving.abort();
      await listening;
    },
  };
}
