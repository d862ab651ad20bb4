import {
  compatibilitySchema,
  type ModelDetail,
  modelListSchema,
  unloadResultSchema,
} from "../../shared/admin.ts";
import { type AdminClient, connect } from "./admin-client.ts";
import { CliError, type CommandInput } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { listenForInterrupt } from "./listen-for-interrupt.ts";
import { loadAndWait } from "./load-and-wait.ts";
import { stylesFor } from "./styles.ts";
import { type SweepLine, sweepTable } from "./sweep-table.ts";

/** Tries one real model, past the runtime blocklist, and unloads it unless it was there before. @throws CliError */
export async function sweepModel(input: CommandInput, model: string): Promise<number> {
  const { io, values } = input;
  const client = connect(input);
  const line = await tryModel(client, model, input);
  const { name, ...facts } = line;
  const text =
    values.json === true
      ? JSON.stringify({ model: name, ...facts }, null, 2)
      : sweepTable("MODEL", [line], stylesFor(io.stdout, io.env)).join("\n");
  io.stdout.write(`${text}\n`);
  return line.outcome === "pass" ? EXIT_CODES.ok.code : EXIT_CODES.failed.code;
}

async function tryModel(client: AdminClient, model: string, { io }: CommandInput): Promise<SweepLine> {
  const { data: before } = await client.get("/admin/models", modelListSchema);
  const accepted = Promise.withResolvers<string>();
  const unload = (id: string) => client.post("/admin/models/unload", { model_id: id }, unloadResultSchema);
  const interrupt = listenForInterrupt();
  const over = interrupt.happened.then(async () => {
    const id = await accepted.promise;
    const isOthers = wasWanted(before, id);
    // Unloading ends the load that is being waited for; one that others asked for goes on.
    if (!isOthers) await unload(id);
    const rest = isOthers ? "the model stays, as it was wanted before" : "the model is unloaded";
    throw new CliError(EXIT_CODES.failed.code, "cancelled", `Cancelled; ${rest}.`);
  });
  over.catch(() => {});
  accepted.promise.catch(() => {});
  try {
    const load = loadAndWait(client, model, io, {
      allowUnsupportedRuntime: true,
      onAccepted: accepted.resolve,
    });
    const { model_id } = await Promise.race([load, over]);
    const line = await lineOf(client, model_id);
    if (!wasWanted(before, model_id)) await unload(model_id);
    return line;
  } catch (error) {
    accepted.reject(error);
    if (interrupt.signal.aborted) await over;
    return failedLine(error);
  } finally {
    interrupt.stop();
  }
}

/** Whether somebody used it, or was about to, before it was tried. */
function wasWanted(before: readonly ModelDetail[], id: string): boolean {
  const state = before.find((model) => model.id === id)?.readiness.state ?? "unloaded";
  return state !== "unloaded" && state !== "quarantined";
}

/** The figures its load left in the registry. */
async function lineOf(client: AdminClient, id: string): Promise<SweepLine> {
  const query = new URLSearchParams({ model: id, outcome: "pass", limit: "1" });
  const { data } = await client.get(`/admin/models/compatibility?${query}`, compatibilitySchema);
  const { load_seconds, peak_memory_bytes } = data[0]?.metadata ?? {};
  return {
    name: id,
    outcome: "pass",
    reason: null,
    load_seconds: typeof load_seconds === "number" ? load_seconds : null,
    peak_memory_bytes: typeof peak_memory_bytes === "number" ? peak_memory_bytes : null,
  };
}

/** @throws what was thrown, unless it tells how the model's load ended */
function failedLine(error: unknown): SweepLine {
  if (!(error instanceof CliError) || typeof error.details?.model_id !== "string") throw error;
  const reason = `${error.code}: ${error.message}`;
  return {
    name: error.details.model_id,
    outcome: "fail",
    reason,
    load_seconds: null,
    peak_memory_bytes: null,
  };
}
