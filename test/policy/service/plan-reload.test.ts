import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Config, configSchema } from "../../../shared/config.ts";
import { planReload } from "../../../supervisor/policy/service/plan-reload.ts";

const ID = "org/model-3.2";
const configured = (values: Record<string, unknown>): Config => configSchema.parse(values);
const plan = (from: Record<string, unknown>, to: Record<string, unknown>, loaded: string[] = []) =>
  planReload(configured(from), configured(to), loaded);

describe("what a reload changes", () => {
  it("is nothing when nothing has changed, whatever the order of keys", () => {
    const kwargs = (value: object) => ({ models: { [ID]: { chat_template_kwargs: value } } });
    const { applied, needsRestart, unchanged } = plan(kwargs({ a: 1, b: [2] }), kwargs({ b: [2], a: 1 }));
    expect([applied, needsRestart]).toEqual([[], []]);
    expect(unchanged).toBeGreaterThan(30);
  });

  it("is told value by value, and one that was not set is null", () => {
    const { applied } = plan(
      { aliases: { old: "a", same: "b" }, memory: { reserve_bytes: 1 } },
      { aliases: { same: "b", new: "c" }, memory: { reserve_bytes: 1, limit_bytes: 5, evict: "idle" } },
    );
    expect(applied.map(({ key, from, to }) => [key, from, to])).toEqual([
      ["aliases.old", "a", null],
      ["aliases.new", null, "c"],
      ["memory.limit_bytes", null, 5],
      ["memory.evict", "never", "idle"],
    ]);
  });

  it("never shows a key, only how many there are, also when one takes the place of another", () => {
    const result = plan(
      { api_keys: ["secret-one"] },
      { api_keys: ["secret-two"], admin_keys: ["secret-three"] },
    );
    expect(result.applied).toMatchObject([
      { key: "api_keys", from: 1, to: 1 },
      { key: "admin_keys", from: 0, to: 1 },
    ]);
    expect(JSON.stringify([result.applied, result.needsRestart])).not.toContain("secret");
  });

  it("knows an alias that is called like something every object has", () => {
    const { applied } = plan({}, { aliases: { constructor: ID }, models: { toString: { pinned: true } } });
    expect(applied.map(({ key, from }) => [key, from])).toEqual([
      ["aliases.constructor", null],
      ["models.toString.pinned", false],
    ]);
  });
});

describe("what a running service cannot take", () => {
  it.each([
    ["host", { host: "127.0.0.2" }],
    ["port", { port: 9 }],
    ["model_roots", { model_roots: ["/m"] }],
    ["huggingface_cache", { huggingface_cache: false }],
    ["lm_studio", { lm_studio: false }],
    ["preload_openblas", { preload_openblas: false }],
    ["spare_worker", { spare_worker: false }],
    ["quarantine.failures", { quarantine: { failures: 4 } }],
    ["safe_mode.unclean_ends", { safe_mode: { unclean_ends: 4 } }],
  ])("%s stays as it is, and is told again the next time", (key, values) => {
    const first = plan({}, { ...values, log_level: "debug" });
    expect(first.needsRestart.map((change) => change.key)).toEqual([key]);
    expect(first.config).toEqual(configured({ log_level: "debug" }));
    const again = planReload(first.config, configured({ ...values, log_level: "debug" }), []);
    expect(again.needsRestart).toEqual(first.needsRestart);
    expect(again.applied).toEqual([]);
  });
});

describe("when a change takes effect", () => {
  const settings = (values: object) => ({ models: { [ID]: values } });

  it.each([
    [{ api_keys: ["12345678"] }, "now"],
    [{ load_on_request: "always" }, "now"],
    [{ log_level: "debug" }, "now"],
    [{ auto_load: [] }, "now"],
    [{ memory: { reserve_bytes: 1 } }, "now"],
    [{ timeouts: { hold_seconds: 1 } }, "now"],
    [{ timeouts: { drain_seconds: 1 } }, "now"],
    [{ timeouts: { load_cap_seconds: 1 } }, "next_load"],
    [{ runtime_blocklist: [] }, "next_load"],
    [{ idle_seconds: 1 }, "next_load"],
    [settings({ sampling: { temperature: 0.5 } }), "now"],
    [settings({ pinned: true }), "now"],
    [settings({ canary: { prompt: "a", expect: "b" } }), "next_load"],
  ])("%j: %s, and no loaded model goes on with anything old", (values, takesEffect) => {
    const loaded = "idle_seconds" in values ? [] : [ID];
    expect(plan({}, values, loaded).applied).toMatchObject([{ takesEffect, staleModels: [] }]);
  });

  it.each([
    ["context_tokens", settings({ context_tokens: 9 })],
    ["max_concurrency", settings({ max_concurrency: 1 })],
    ["tool_parser", settings({ tool_parser: "x" })],
    ["trust_code", settings({ trust_code: true })],
    ["memory_limit_bytes", settings({ memory_limit_bytes: 9 })],
  ])("%s: a loaded model needs a restart, another does not", (_name, values) => {
    const [change] = plan({}, values, ["org/other", ID]).applied;
    expect(change).toMatchObject({ takesEffect: "next_load", staleModels: [ID] });
    expect(plan({}, values, ["org/other"]).applied[0]!.staleModels).toEqual([]);
  });

  it("of what holds for all models, those with a setting of their own are left alone", () => {
    const own = { models: { own: { idle_seconds: 5, memory_limit_bytes: 7 }, pinned: { pinned: true } } };
    const { applied } = plan(own, { ...own, idle_seconds: 9, memory: { limit_bytes: 9 } }, [
      "own",
      "pinned",
      "m",
    ]);
    expect(applied.map(({ key, staleModels }) => [key, staleModels])).toEqual([
      ["idle_seconds", ["m"]],
      ["memory.limit_bytes", ["pinned", "m"]],
    ]);
  });

  it("a pinned model that would leave for being idle does so until its next load", () => {
    const { applied } = plan({ idle_seconds: 5 }, { idle_seconds: 5, ...settings({ pinned: true }) }, [ID]);
    expect(applied).toMatchObject([{ takesEffect: "now", staleModels: [ID] }]);
  });
});

it("every difference is told exactly once, and what is in force is one or the other", () => {
  const someConfig = fc
    .record(
      {
        port: fc.integer({ min: 0, max: 5 }),
        aliases: fc.dictionary(fc.constantFrom("a", "b", "__x"), fc.constantFrom("m", "n")),
        auto_load: fc.subarray(["m", "n"]),
        idle_seconds: fc.option(fc.integer({ min: 1, max: 3 })),
        models: fc.dictionary(fc.constantFrom("m", "n"), fc.record({ pinned: fc.boolean() })),
        safe_mode: fc.record({ unclean_ends: fc.integer({ min: 1, max: 3 }) }),
      },
      { requiredKeys: [] },
    )
    .map(configured);
  fc.assert(
    fc.property(someConfig, someConfig, (from, to) => {
      const { applied, needsRestart, config } = planReload(from, to, []);
      const keys = [...applied, ...needsRestart].map(({ key }) => key);
      expect(new Set(keys).size).toBe(keys.length);
      expect(configSchema.parse(config)).toEqual(config);
      const second = planReload(config, to, []);
      expect(second.applied).toEqual([]);
      expect(second.needsRestart).toEqual(needsRestart);
      for (const key of Object.keys(config) as (keyof Config)[])
        expect([from[key], to[key]]).toContainEqual(config[key]);
    }),
  );
});
