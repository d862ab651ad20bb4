import { auditCommand } from "./audit.ts";
import { type Command, wordsOf } from "./command.ts";
import { compatCommand } from "./compat.ts";
import { compatMatrixCommand } from "./compat-matrix.ts";
import { compatRegressionsCommand } from "./compat-regressions.ts";
import { compatSweepCommand } from "./compat-sweep.ts";
import { completionCommand } from "./completion.ts";
import { configReloadCommand } from "./config-reload.ts";
import { configShowCommand } from "./config-show.ts";
import { doctorCommand } from "./doctor.ts";
import { dossiersCommand, dossiersShowCommand } from "./dossiers.ts";
import { eventsCommand } from "./events.ts";
import { loadCommand } from "./load.ts";
import { logsCommand } from "./logs.ts";
import { memoryCommand } from "./memory.ts";
import { modelsCommand } from "./models.ts";
import { probeCommand } from "./probe.ts";
import { psCommand } from "./ps.ts";
import { quarantineCommand } from "./quarantine.ts";
import { releaseCommand } from "./release.ts";
import { repairCommand } from "./repair.ts";
import { restartCommand } from "./restart.ts";
import { runCommand } from "./run.ts";
import { safeModeLeaveCommand } from "./safe-mode.ts";
import { serveCommand } from "./serve.ts";
import { unloadCommand } from "./unload.ts";

/** In the order of `lmx --help`. */
export const COMMANDS: readonly Command[] = [
  serveCommand,
  runCommand,
  modelsCommand,
  psCommand,
  memoryCommand,
  loadCommand,
  unloadCommand,
  restartCommand,
  quarantineCommand,
  releaseCommand,
  safeModeLeaveCommand,
  probeCommand,
  repairCommand,
  compatCommand,
  compatMatrixCommand,
  compatRegressionsCommand,
  compatSweepCommand,
  auditCommand,
  dossiersCommand,
  dossiersShowCommand,
  eventsCommand,
  doctorCommand,
  logsCommand,
  configShowCommand,
  configReloadCommand,
  completionCommand(() => byFirstWord(COMMANDS)),
];

/** For completion, which goes by the first word: one command for `compat` and all that begin so. */
function byFirstWord(commands: readonly Command[]): Command[] {
  const groups = Map.groupBy(commands, (command) => wordsOf(command)[0]);
  return [...groups.values()].flatMap((group) => {
    const [first, ...others] = group;
    if (first === undefined || others.length === 0) return group;
    const choices = group.flatMap((command) => wordsOf(command).slice(1));
    return [
      {
        ...first,
        name: wordsOf(first)[0] ?? first.name,
        choices,
        options: Object.assign({}, ...group.map(({ options }) => options)),
      },
    ];
  });
}
