import { writeFile } from "node:fs/promises";
import { ArgumentError, parseSoakArguments, SOAK_HELP, type SoakArguments } from "./arguments.ts";
import { performRun } from "./perform-run.ts";
import { renderReport } from "./report.ts";
import { describeStep, modelSchedule, serviceSchedule } from "./schedule.ts";
import { attachTo, ServiceError, startService } from "./service.ts";
import { SoakRun } from "./soak-run.ts";

const USAGE_ERROR = 64;
const UNAVAILABLE = 69;

process.exit(await main());

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(SOAK_HELP);
    return 0;
  }
  try {
    const options = parseSoakArguments(args);
    if (options.schedule === null) return await soak(options);
    console.log(scheduleText(options, options.schedule));
    return 0;
  } catch (error) {
    if (error instanceof ServiceError) {
      console.error(error.message);
      return UNAVAILABLE;
    }
    if (!(error instanceof ArgumentError)) throw error;
    console.error(`${error.message}\nnpm run soak -- --help lists the flags.`);
    return USAGE_ERROR;
  }
}

async function soak(options: SoakArguments): Promise<number> {
  const service =
    options.attach === null ? await startService(options.victims) : await attachTo(options.attach);
  const run = new SoakRun(options, service);
  // The first interruption ends the run with its report, whatever it has come to; the second ends at once.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => (run.isOver ? process.exit(1) : run.stop(signal)));
  process.once("exit", () => service.own?.kill());
  const report = await performRun(run);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(renderReport(report));
  if (report.holds) service.own?.removeState();
  else if (service.own !== null) console.log(`The state directory is kept: ${service.own.home}`);
  return report.holds ? 0 : 1;
}

function scheduleText({ seed, victims, attach }: SoakArguments, steps: number): string {
  const lines = Array.from({ length: attach?.victims.length ?? victims }, (_, lane) =>
    firstOf(modelSchedule(seed, lane), steps).map((step) => describeStep(`victim ${lane + 1}`, step)),
  );
  const service = firstOf(serviceSchedule(seed), steps).map((step) => describeStep("service", step));
  return [...lines.flat(), ...service].join("\n");
}

function firstOf<T>(endless: Generator<T, never>, count: number): T[] {
  return Array.from({ length: count }, () => endless.next().value);
}
