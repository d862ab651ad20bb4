import { humanAccounts } from "../host/human-accounts.ts";
import { packageFiles } from "../host/package-files.ts";
import { type Command, type CommandInput, textOption } from "./command.ts";
import { checkAccounts } from "./doctor/check-accounts.ts";
import {
  checkDevice,
  checkMemory,
  checkNode,
  checkOpenBlas,
  checkOpenFiles,
} from "./doctor/check-machine.ts";
import { checkPermissions } from "./doctor/check-permissions.ts";
import { checkPython } from "./doctor/check-python.ts";
import { checkConfiguration, checkPort } from "./doctor/check-service.ts";
import { checkRegistry, checkStateDirectory } from "./doctor/check-storage.ts";
import type { DoctorCheck } from "./doctor/doctor-check.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { printableLines } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

const WORDS = { pass: "ok", warn: "warn", fail: "FAIL" } as const;

export const doctorCommand: Command = {
  name: "doctor",
  arguments: [],
  summary: "check what Opta-LMX needs, and say what to do about what is missing",
  options: { config: { type: "string" }, json: { type: "boolean" } },
  help: `Looks at this machine, the Python runtime, the state directory, who else can change what is relied on, the
configuration, the port and who may use it. Needs no running supervisor and changes nothing. Exits 1 when something
failed; a warning is something that works, but badly.

Options:
  --config FILE     the configuration to check (default config.yaml in the state directory)
  --json            print one JSON document instead of text

Examples:
  lmx doctor
  lmx doctor --json | jq '.checks[] | select(.status != "pass")'`,
  run: async (input) => {
    const { io, values } = input;
    const checks = await examine(input);
    const ok = checks.every(({ status }) => status !== "fail");
    const text =
      values.json === true
        ? JSON.stringify({ ok, checks }, null, 2)
        : report(checks, stylesFor(io.stdout, io.env));
    io.stdout.write(`${text}\n`);
    return ok ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
  },
};

async function examine({ io, values }: CommandInput): Promise<DoctorCheck[]> {
  const { check: configuration, loaded } = checkConfiguration(textOption(values, "config"), io.env);
  const { paths, config } = loaded;
  const { runtimesDirectory, stateDirectory } = paths;
  const { requirementsLock } = packageFiles();
  const [python, state, permissions, registry, port, accounts] = await Promise.all([
    checkPython({ stateDirectory, runtimesDirectory, requirementsLock, env: io.env }),
    checkStateDirectory(stateDirectory),
    checkPermissions(loaded, io.env),
    checkRegistry(paths.registryFile),
    checkPort(loaded),
    humanAccounts(),
  ]);
  const checks = [
    checkNode(process.versions.node),
    ...python,
    checkDevice(),
    checkOpenBlas(config.preload_openblas),
    checkMemory(),
    checkOpenFiles(config.max_connections),
    state,
    ...permissions,
    registry,
    configuration,
    port,
    checkAccounts(config, accounts, paths.configFile),
  ];
  return checks.filter((check) => check !== null);
}

function report(checks: readonly DoctorCheck[], styles: Styles): string {
  const colours = { pass: styles.green, warn: styles.yellow, fail: styles.red };
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = " ".repeat(6 + width + 2);
  const lines = checks.flatMap(({ name, status, detail, next_step }) => {
    const [first = "", ...more] = printableLines(detail).split("\n");
    return [
      `${colours[status](WORDS[status].padEnd(4))}  ${name.padEnd(width)}  ${first}`,
      ...more.map((line) => indent + line),
      ...(next_step === null ? [] : [`${indent}${styles.bold(printableLines(next_step))}`]),
    ];
  });
  return [...lines, "", summary(checks)].join("\n");
}

function summary(checks: readonly DoctorCheck[]): string {
  const count = (status: DoctorCheck["status"]) => checks.filter((check) => check.status === status).length;
  const [failures, warnings] = [count("fail"), count("warn")];
  if (failures === 0 && warnings === 0) return "Everything is as it should be.";
  const plural = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
  return `${plural(failures, "failure")}, ${plural(warnings, "warning")}.`;
}
