import { setTimeout as wait } from "node:timers/promises";
import type { Status } from "../../shared/admin.ts";
import { workersOf } from "../chaos/processes.ts";
import { isAlive } from "../support/running-supervisor.ts";
import { readReference, runClients } from "./clients.ts";
import { type Evidence, judgeRun } from "./gates.ts";
import { HAS_PROC } from "./local-processes.ts";
import { ModelLane } from "./model-lane.ts";
import { showProgress } from "./progress-line.ts";
import { reportOf, type SoakReport } from "./report.ts";
import { type OwnService, ServiceError } from "./service.ts";
import { runServiceLane } from "./service-lane.ts";
import type { SoakRun } from "./soak-run.ts";
import { unparsableFiles } from "./state-files.ts";
import { type Drift, Vitals } from "./vitals.ts";

const ROUTABLE_MS = 180_000;
const QUIET_MS = 20_000;
/** After a service has ended, nothing of it may live on for longer. */
const ORPHANS_GONE_MS = 2_000;
const FILES_LOOK_MS = 5_000;

/** One soak from a running service to the verdict; a service of our own is stopped at the end. */
export async function performRun(run: SoakRun): Promise<SoakReport> {
  const { service } = run;
  const startedAt = new Date();
  const vitals = new Vitals(service.pid);
  await run.watch.start();
  const lanes = service.victims.map((model, lane) => new ModelLane(run, model, lane));
  await untilAllServe(run, lanes);
  const reference = await readReference(run);
  run.begin();
  if (service.isLocal) vitals.start(run.options.warmUpMs);
  const heldAtFirst = heldAfter(run, run.options.warmUpMs);
  const files = watchFiles(service.own);
  const progress = showProgress(run);
  const clients = runClients(run, reference);
  await Promise.all([clients, runServiceLane(run), ...lanes.map((lane) => lane.run())]);
  const { elapsedMs } = run;
  vitals.stop();
  progress.stop();
  await Promise.all(lanes.map((lane) => lane.recover()));
  const stillInFlight = await requestsLeft(run);
  run.watch.stop();
  const heldBytes = await heldDrift(run, heldAtFirst);
  const ending = await endService(run);
  const evidence: Evidence = {
    ...ledgerEvidence(run),
    ...ending,
    stillInFlight,
    unparsable: files.stop(),
    openFiles: vitals.openFiles,
    heldBytes,
    residentBytes: vitals.residentBytes,
  };
  const gates = judgeRun(evidence, run.options);
  const steps = Object.fromEntries(
    lanes.map(({ lastStep, steps: count }, lane) => [`${lane}`, `${count} steps, ${lastStep}`]),
  );
  return reportOf(run, { startedAt, elapsedMs, gates, steps, residentCurve: vitals.residentCurve });
}

async function untilAllServe(run: SoakRun, lanes: readonly ModelLane[]): Promise<void> {
  const deadline = performance.now() + ROUTABLE_MS;
  const { bystander } = run.service;
  while (run.watch.model(bystander)?.readiness.state !== "routable") {
    if (performance.now() > deadline || run.service.own?.exit != null)
      throw new ServiceError(
        `${bystander} does not serve: ${JSON.stringify(run.watch.model(bystander)?.readiness)}`,
      );
    await wait(50);
  }
  await Promise.all(lanes.map((lane) => lane.recover()));
}

/** What the service holds after a warm-up; null: the run was over before, or the service is not ours to look into. */
async function heldAfter({ service, over }: SoakRun, warmUpMs: number): Promise<number | null> {
  const isWarm = await Promise.race([wait(warmUpMs, true, { ref: false }), over.then(() => false)]);
  return isWarm ? await heldNow(service.own) : null;
}

async function heldDrift({ service }: SoakRun, heldAtFirst: Promise<number | null>): Promise<Drift | null> {
  const first = await heldAtFirst;
  const last = await heldNow(service.own);
  return first === null || last === null ? null : { first, last };
}

/** Null: there is no service to look into. */
async function heldNow(own: OwnService | null): Promise<number | null> {
  return (await own?.heldBytes().catch(() => null)) ?? null;
}

function ledgerEvidence({ ledger, stuck, service, watch, signalledPids }: SoakRun) {
  const log = service.own?.log ?? null;
  const { bystanderRequests, bystanderErrors, malformed, wrong, internalErrors, late, requests } = ledger;
  return {
    bystanderRequests,
    bystanderErrors,
    malformed,
    wrong,
    internalErrors,
    late,
    requests,
    judged: ledger.lateness.count,
    deaths: ledger.deathCount,
    stuck: stuck.length,
    errorsLogged: log?.errorCount ?? null,
    unnoticed:
      log === null
        ? null
        : [...signalledPids].filter((pid) => !watch.livePids.has(pid) && !log.exitedPids.has(pid)).length,
  };
}

/** Requests the service believes to be running although no client waits for one. */
async function requestsLeft({ service }: SoakRun): Promise<number | null> {
  const deadline = performance.now() + QUIET_MS;
  let left: number | null = null;
  while (left !== 0 && performance.now() < deadline) {
    const status = await service.client.get<Status>("/admin/status").catch(() => null);
    left = status?.requests_in_flight ?? null;
    await wait(50);
  }
  return left;
}

async function endService({
  service,
  watch,
  ledger,
}: SoakRun): Promise<Pick<Evidence, "apiExits" | "orphans">> {
  const { own, client, isLocal } = service;
  if (own === null) {
    const hasExited = isLocal ? !isAlive(service.pid) : false;
    const orphans = [...watch.seenPids].filter((pid) => isAlive(pid) && !watch.livePids.has(pid));
    client.close();
    return { apiExits: hasExited ? 1 : 0, orphans: isLocal ? orphans.length : null };
  }
  const hasExited = own.exit !== null;
  const exit = await own.stop();
  if (hasExited || exit?.code !== 0)
    ledger.problems.unshift(
      `the service ended with ${exit?.signal ?? exit?.code}; its last lines:\n${own.log.tail()}`,
    );
  client.close();
  await wait(ORPHANS_GONE_MS);
  const orphans = HAS_PROC ? workersOf(own.home) : [...watch.seenPids].filter(isAlive);
  // An end in anything but good order counts like one nobody asked for.
  return { apiExits: hasExited || exit?.code !== 0 ? 1 : 0, orphans: orphans.length };
}

/** Looks at the state directory again and again; `stop` looks a last time and tells how many files were ever bad. */
function watchFiles(own: OwnService | null): { stop(): number | null } {
  if (own === null) return { stop: () => null };
  const bad = new Set<string>();
  const look = () => {
    for (const name of unparsableFiles(own.home)) bad.add(name);
  };
  const timer = setInterval(look, FILES_LOOK_MS);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return bad.size;
    },
  };
}
