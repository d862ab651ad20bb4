import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ModelDetail } from "../../shared/admin.ts";
import type { ConfigFlags } from "../../supervisor/config/config-sources.ts";
import { loadConfig } from "../../supervisor/config/load-config.ts";
import { LiveConfig, type ReloadParts, reloadConfig } from "../../supervisor/service/live-config.ts";
import type { AuditRow } from "../../supervisor/store/audit-log.ts";
import type { EventDraft } from "../../supervisor/telemetry/event-log.ts";
import { fakeModel } from "../http/fake-cluster.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ACTOR = { key: "1a2b3c4d", address: "127.0.0.1", via: "http" };

interface Start {
  readonly config?: string;
  readonly flags?: ConfigFlags;
  readonly env?: Record<string, string>;
}

/** A configuration file, and all a reload touches, recorded. */
async function service({ config = "", flags = {}, env = {} }: Start = {}) {
  const home = await temporaryDirectory();
  const file = join(home, "config.yaml");
  const write = (text: string) => writeFile(file, text);
  await write(config);
  const read = () => loadConfig({ flags, env: { OPTA_LMX_HOME: home, ...env }, home });
  const live = new LiveConfig(read(), read);
  const loads: string[] = [];
  const audited: AuditRow[] = [];
  const logged: object[] = [];
  const told: EventDraft[] = [];
  const note = (fields: object) => void logged.push(fields);
  const state = { safeMode: null as string | null, draining: false, models: [] as ModelDetail[] };
  const parts: ReloadParts = {
    live,
    cluster: {
      models: () => state.models,
      startLoad: async (id) => {
        if (id === "gone") throw new Error("No model named gone.");
        loads.push(id);
        return fakeModel(id);
      },
    },
    audit: { append: async (row) => void audited.push(row) },
    events: { emit: (event) => void told.push(event) },
    log: { level: "info", info: note, warn: note } as ReloadParts["log"],
    safeMode: () => state.safeMode,
    draining: () => state.draining,
  };
  const reload = () => reloadConfig(parts, ACTOR);
  return { live, parts, reload, write, file, loads, audited, logged, told, state };
}

describe("a reload", () => {
  it("reads file, environment and flags again, in that order of precedence", async () => {
    const { live, reload, write, told } = await service({
      flags: { logLevel: "warn" },
      env: { OPTA_LMX_LOAD_ON_REQUEST: "never" },
    });
    await write("log_level: debug\nload_on_request: always\ntimeouts: { hold_seconds: 5 }\n");
    const { applied, needs_restart } = await reload();
    expect(applied).toEqual([
      { key: "timeouts.hold_seconds", from: 30, to: 5, takes_effect: "now", restart_models: [] },
    ]);
    expect(needs_restart).toEqual([]);
    const details = { applied: ["timeouts.hold_seconds"], needs_restart: [] };
    expect(told).toEqual([{ type: "config_reloaded", details }]);
    expect(live.config).toMatchObject({ log_level: "warn", load_on_request: "never" });
    expect(live.config.timeouts.hold_seconds).toBe(5);
  });

  it("that finds anything wrong changes nothing and names it all", async () => {
    const { live, reload, write, loads, audited, logged, told } = await service({
      config: "idle_seconds: 7\n",
    });
    const before = live.config;
    await write("idle_seconds: 8\nprot: 1\ntimeouts: { hold_seconds: -1 }\nauto_load: [org/new]\n");
    const error = await reload().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "invalid_request_error" });
    const { problems } = (error as { details: { problems: string[] } }).details;
    expect(problems).toEqual([
      expect.stringMatching(/config\.yaml:2:1: unknown key "prot"/),
      expect.stringMatching(/config\.yaml:3:\d+: timeouts\.hold_seconds/),
    ]);
    expect(live.config).toBe(before);
    expect(loads).toEqual([]);
    expect(audited).toMatchObject([
      {
        action: "reload_config",
        actor: ACTOR,
        details: { refused: true, problem: problems[0], problems: 2 },
      },
    ]);
    const reason = { code: "invalid_request_error", cause: "configuration", message: problems[0] };
    expect(told).toEqual([{ type: "config_refused", reason, details: { problems } }]);
    expect(logged).toEqual([{ problems }]);
  });

  it("that is refused can be tried again", async () => {
    const { live, reload, write } = await service();
    await write("{");
    await expect(reload()).rejects.toMatchObject({ code: "invalid_request_error" });
    await write("idle_seconds: 8\n");
    await reload();
    expect(live.config.idle_seconds).toBe(8);
  });

  it("says which loaded model needs a restart, and only of models that have a worker", async () => {
    const { reload, write, state } = await service();
    const worker = { pid: 1 } as ModelDetail["worker"];
    state.models = [{ ...fakeModel("org/a"), worker }, fakeModel("org/b")];
    await write("models:\n  org/a: { context_tokens: 9 }\n  org/b: { context_tokens: 9 }\n");
    const { applied } = await reload();
    expect(applied.map(({ key, restart_models }) => [key, restart_models])).toEqual([
      ["models.org/a.context_tokens", ["org/a"]],
      ["models.org/b.context_tokens", []],
    ]);
  });

  it("asks for models new in auto_load, and says why it did not", async () => {
    const { reload, write, loads, state } = await service({ config: "auto_load: [a]\n" });
    await write("auto_load: [a, b, gone]\n");
    expect(await reload()).toMatchObject({
      loading: ["b"],
      not_loaded: [{ model_id: "gone", reason: "No model named gone." }],
    });
    expect(loads).toEqual(["b"]);
    state.safeMode = "it crashed";
    await write("auto_load: [a, b, gone, c]\n");
    const { loading, not_loaded } = await reload();
    expect([loading, not_loaded]).toEqual([[], [{ model_id: "c", reason: "the service is in safe mode" }]]);
    expect(loads).toEqual(["b"]);
  });

  it("sets the log level and leaves a row in the audit trail without values", async () => {
    const { parts, reload, write, audited } = await service();
    await write("log_level: debug\nport: 9\napi_keys: [secret-one]\n");
    await reload();
    expect(parts.log.level).toBe("debug");
    expect(audited).toMatchObject([
      {
        action: "reload_config",
        actor: ACTOR,
        details: { applied: ["api_keys", "log_level"], needs_restart: ["port"] },
      },
    ]);
  });

  it("never says a key, whether it is applied, refused or shown", async () => {
    const { live, reload, write, audited, logged } = await service({ config: "api_keys: [secret-one]\n" });
    await write("api_keys: [secret-two]\nadmin_keys: [secret-three]\n");
    const answer = await reload();
    await write("api_keys: [secret-4, short]\n");
    const error = await reload().catch((thrown: { message: string; details: unknown }) => thrown);
    const { message, details } = error as { message: string; details: unknown };
    const told = JSON.stringify([answer, message, details, audited, logged, live.show()]);
    expect(told).not.toMatch(/secret|short/);
    expect(live.config.api_keys).toEqual(["secret-two"]);
  });

  it("is refused while the service stops", async () => {
    const { live, reload, write, state } = await service();
    state.draining = true;
    await write("idle_seconds: 8\n");
    await expect(reload()).rejects.toMatchObject({ code: "server_is_overloaded" });
    expect(live.config.idle_seconds).toBeNull();
  });
});

describe("the host that stays until a restart", () => {
  const OPEN = "host: 0.0.0.0\napi_keys: [secret-one]\nadmin_keys: [secret-two]\n";

  it("keeps its keys: a configuration that is right only for loopback is refused", async () => {
    const { live, reload, write } = await service({ config: OPEN });
    for (const config of ["host: 127.0.0.1\n", "host: 127.0.0.1\napi_keys: [secret-one]\n"]) {
      await write(config);
      await expect(reload()).rejects.toMatchObject({
        details: { problems: [expect.stringContaining("api_keys and admin_keys")] },
      });
    }
    expect(live.config).toMatchObject({ host: "0.0.0.0", api_keys: ["secret-one"] });
  });

  it("and keys may be exchanged", async () => {
    const { live, reload, write } = await service({ config: OPEN });
    await write(OPEN.replaceAll("secret", "other"));
    await reload();
    expect(live.config).toMatchObject({ api_keys: ["other-one"], admin_keys: ["other-two"] });
  });
});

describe("what is shown of the configuration in force", () => {
  it("has every value with its origin, keys masked", async () => {
    const { live, file } = await service({
      config: "idle_seconds: 7\napi_keys: [secret-one]\ntimeouts: { hold_seconds: 5 }\n",
      flags: { port: "8123" },
      env: { OPTA_LMX_LOG_LEVEL: "warn" },
    });
    const { values, config_file } = live.show();
    expect(config_file).toBe(file);
    expect(values).toEqual(
      expect.arrayContaining([
        { key: "idle_seconds", value: 7, source: "file", from: file },
        { key: "timeouts.hold_seconds", value: 5, source: "file", from: file },
        { key: "port", value: 8123, source: "flag", from: "--port" },
        { key: "log_level", value: "warn", source: "environment", from: "OPTA_LMX_LOG_LEVEL" },
        { key: "host", value: "127.0.0.1", source: "default", from: null },
        { key: "api_keys", value: ["****"], source: "file", from: file },
      ]),
    );
  });

  it("keeps what a restart is needed for, its origin too, and says what waits", async () => {
    const { live, reload, write, file } = await service({ config: "idle_seconds: 7\n" });
    await write("port: 9\n");
    await reload();
    const { values, needs_restart } = live.show();
    expect(values).toEqual(
      expect.arrayContaining([
        { key: "port", value: 1234, source: "default", from: null },
        { key: "idle_seconds", value: null, source: "default", from: null },
      ]),
    );
    expect(needs_restart).toEqual([{ key: "port", from: 1234, to: 9 }]);
    await write("idle_seconds: 3\n");
    await reload();
    expect(live.show().needs_restart).toEqual([]);
    expect(live.show().values).toContainEqual({ key: "idle_seconds", value: 3, source: "file", from: file });
  });
});
