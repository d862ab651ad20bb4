import { describe, expect, it } from "vitest";
import type { ConfigReload } from "../../shared/admin-config.ts";
import { always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const ANSWER: ConfigReload = {
  applied: [
    { key: "aliases.small", from: null, to: "org/a", takes_effect: "now", restart_models: [] },
    { key: "admin_keys", from: 1, to: 2, takes_effect: "now", restart_models: [] },
    {
      key: "models.org/a.context_tokens",
      from: null,
      to: 4096,
      takes_effect: "next_load",
      restart_models: ["org/a"],
    },
  ],
  needs_restart: [{ key: "port", from: 1234, to: 8123 }],
  unchanged: 40,
  loading: ["org/b"],
  not_loaded: [{ model_id: "org/c", reason: 'No model named "org/c".' }],
};

describe("config reload", () => {
  it("says what changed, what waits for which restart, and what is loaded", async () => {
    const { url, asked } = await fakeSupervisor(always(200, ANSWER));
    const { code, out } = await lmx(["config", "reload", "--url", url]);
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      'aliases.small: null -> "org/a"',
      "admin_keys: 1 key -> 2 keys",
      "models.org/a.context_tokens: null -> 4096; from the next load on",
      "  org/a keeps the old value until: lmx restart org/a",
      'org/b: its load was asked for; "lmx ps" shows how it goes',
      'org/c: not loaded: No model named "org/c".',
      "port: 1234 -> 8123; not before the service is started again",
      "",
    ]);
    expect(asked).toMatchObject([{ method: "POST", path: "/admin/config/reload" }]);
    expect(JSON.parse((await lmx(["config", "reload", "--json", "--url", url])).out)).toEqual(ANSWER);
  });

  it("says when nothing has changed", async () => {
    const same = { ...ANSWER, applied: [], needs_restart: [], loading: [], not_loaded: [] };
    const { url } = await fakeSupervisor(always(200, same));
    expect((await lmx(["config", "reload", "--url", url])).out).toBe("Nothing has changed (40 values).\n");
  });

  it("names every problem of a refused one and exits 78", async () => {
    const problems = ['c.yaml:1:1: unknown key "prot"', "c.yaml:2:1: \u001b[2J"];
    const { url } = await fakeSupervisor(
      always(400, errorBody("invalid_request_error", "2 problems", { problems })),
    );
    const { code, err } = await lmx(["config", "reload", "--url", url]);
    expect(code).toBe(78);
    expect(err).toBe(
      [
        "lmx: The configuration was not reloaded; nothing was changed.",
        '  c.yaml:1:1: unknown key "prot"',
        "  c.yaml:2:1: \ufffd[2J",
        "",
      ].join("\n"),
    );
    const { out } = await lmx(["config", "reload", "--json", "--url", url]);
    expect(JSON.parse(out).error).toMatchObject({ code: "invalid_config", details: { problems } });
  });
});
