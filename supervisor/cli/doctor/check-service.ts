import { once } from "node:events";
import { createServer } from "node:net";
import { z } from "zod";
import { statusSchema } from "../../../shared/admin.ts";
import { ConfigError } from "../../config/config-problem.ts";
import { type LoadedConfig, loadConfig } from "../../config/load-config.ts";
import { readAddress } from "../../host/address-file.ts";
import type { CliIo } from "../command.ts";
import { addressOf } from "../find-supervisor.ts";
import { readJson, sendRequest } from "../send-request.ts";
import type { SupervisorAddress } from "../supervisor-address.ts";
import { type DoctorCheck, fail, pass, warn } from "./doctor-check.ts";

const ANSWER_TIMEOUT_MS = 3_000;

/** The configuration, and what to go on with when it cannot be used: the defaults, for the same directories. */
export function checkConfiguration(
  file: string | undefined,
  env: CliIo["env"],
): { readonly check: DoctorCheck; readonly loaded: LoadedConfig } {
  const name = "configuration";
  try {
    const loaded = loadConfig({ flags: file === undefined ? {} : { config: file }, env });
    const inUse = Object.values(loaded.sources).filter((source) => source !== "default").length;
    const detail = inUse === 0 ? "defaults only" : `${inUse} values set; "lmx config show" lists them`;
    return { check: pass(name, detail), loaded };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { OPTA_LMX_HOME, OPTA_LMX_RUNTIMES } = env;
    const loaded = loadConfig({ flags: { config: "/dev/null" }, env: { OPTA_LMX_HOME, OPTA_LMX_RUNTIMES } });
    const check = fail(
      name,
      error.problems.join("\n"),
      "Mend these lines; docs/configuration.md has every key.",
    );
    return { check, loaded };
  }
}

/** Whether the API's port can be used, or is: by this service or by somebody else, who is shown no key. */
export async function checkPort({ config, paths }: LoadedConfig): Promise<DoctorCheck> {
  const noted = readAddress(paths.addressFile);
  const running = noted === null ? null : await askStatus(() => addressOf(noted, paths));
  if (noted !== null && running !== null) return describeRunning(noted.url, running);
  const { host, port } = config;
  const problem = await tryListening(host, port);
  if (problem === null) {
    return pass(
      "port",
      `${host}:${port === 0 ? "any" : port} is free; no supervisor runs on this state directory`,
    );
  }
  const another = "Choose another port with --port, or stop what uses it.";
  if (problem !== "EADDRINUSE") return fail("port", `cannot listen on ${host}:${port}: ${problem}`, another);
  const url = urlOf(host, port);
  const other = await askStatus(() => ({ url, socketPath: null }));
  if (other === null) return fail("port", `${host}:${port} is used by another program`, another);
  const place = other.kind === "status" ? other.stateDirectory : "another state directory";
  return fail("port", `an Opta-LMX on ${place} answers at ${url}`, another);
}

type Running =
  | {
      readonly kind: "status";
      readonly version: string;
      readonly stateDirectory: string;
      readonly degraded: string[];
    }
  | { readonly kind: "locked" };

function describeRunning(url: string, running: Running): DoctorCheck {
  if (running.kind === "locked") return pass("port", `an Opta-LMX answers at ${url}`);
  const detail = `Opta-LMX ${running.version} answers at ${url}`;
  const [problem] = running.degraded;
  if (problem === undefined) return pass("port", detail);
  return warn("port", `${detail}, not at its best: ${problem}`, `"lmx logs --level warn" says since when.`);
}

const refusalSchema = z.object({ error: z.object({ code: z.literal("invalid_api_key") }) });

/** Null: nobody there, or nobody of ours. */
async function askStatus(
  address: () => Pick<SupervisorAddress, "url" | "socketPath">,
): Promise<Running | null> {
  try {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const reply = await sendRequest(address(), { method: "GET", path: "/admin/status", signal });
    const body = await readJson(reply.body);
    if (reply.status === 401 && refusalSchema.safeParse(body).success) return { kind: "locked" };
    const { version, state_directory, degraded } = statusSchema.parse(body);
    return { kind: "status", version, stateDirectory: state_directory, degraded };
  } catch {
    return null;
  }
}

/** The address a client on this machine uses for a server bound to that host. */
function urlOf(host: string, port: number): string {
  // A server on all interfaces is reached on this one.
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" || host === "[::]" ? "::1" : host;
  return `http://${reachable.includes(":") && !reachable.startsWith("[") ? `[${reachable}]` : reachable}:${port}`;
}

/** The system's word for why not; null when it works. */
async function tryListening(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  } finally {
    server.close();
  }
}
