import { execFileSync } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { configSchema } from "../../shared/config.ts";
import { ConfigError } from "../../supervisor/config/config-problem.ts";
import type { ConfigFlags } from "../../supervisor/config/config-sources.ts";
import { loadConfig } from "../../supervisor/config/load-config.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function fixture(content?: string) {
  const home = await temporaryDirectory();
  const file = join(home, ".opta-lmx", "config.yaml");
  await mkdir(join(home, ".opta-lmx"));
  if (content !== undefined) await writeFile(file, content);
  const load = (flags: ConfigFlags = {}, env: Record<string, string> = {}) =>
    loadConfig({ flags, env, home });
  const problems = (flags?: ConfigFlags, env?: Record<string, string>): readonly string[] => {
    try {
      load(flags, env);
    } catch (thrown) {
      if (thrown instanceof ConfigError) return thrown.problems;
      throw thrown;
    }
    return [];
  };
  return { home, file, load, problems };
}

describe("where a value comes from", () => {
  it("defaults stand where nobody says anything", async () => {
    const { load, home } = await fixture();
    const { config, sources, paths } = load();
    expect(config).toEqual(configSchema.parse({}));
    expect(new Set(Object.values(sources))).toEqual(new Set(["default"]));
    expect(paths).toEqual({
      stateDirectory: join(home, ".opta-lmx"),
      configFile: join(home, ".opta-lmx", "config.yaml"),
      registryFile: join(home, ".opta-lmx", "compatibility-registry.json"),
      auditFile: join(home, ".opta-lmx", "audit.json"),
      quarantineFile: join(home, ".opta-lmx", "quarantine.json"),
      startsFile: join(home, ".opta-lmx", "starts.json"),
      dossiersDirectory: join(home, ".opta-lmx", "dossiers"),
      intentsFile: join(home, ".opta-lmx", "load-intents.json"),
      workersFile: join(home, ".opta-lmx", "workers.json"),
      lockFile: join(home, ".opta-lmx", "supervisor.lock"),
      addressFile: join(home, ".opta-lmx", "address.json"),
      adminSocket: join(home, ".opta-lmx", "admin.sock"),
      modelsDirectory: join(home, ".opta-lmx", "models"),
      runtimesDirectory: join(home, ".opta-lmx", "runtimes"),
    });
  });

  it("a flag beats the environment, the environment the file, the file the default", async () => {
    const { load } = await fixture(
      "port: 1\nhost: 127.0.0.2\nlog_level: warn\ntimeouts:\n  hold_seconds: 7\n",
    );
    const env = { OPTA_LMX_PORT: "2", OPTA_LMX_HOST: "127.0.0.3" };
    const { config, sources } = load({ port: "3" }, env);
    expect(config).toMatchObject({
      port: 3,
      host: "127.0.0.3",
      log_level: "warn",
      timeouts: { hold_seconds: 7, drain_seconds: 30 },
    });
    expect(sources).toMatchObject({
      port: "flag",
      host: "environment",
      log_level: "file",
      "timeouts.hold_seconds": "file",
      "timeouts.drain_seconds": "default",
      api_keys: "default",
    });
  });

  it("every flag and every variable reaches its key", async () => {
    const { load } = await fixture();
    expect(load({ host: "::1", port: "0", logLevel: "debug", autoLoad: "a, b" }).config).toMatchObject({
      host: "::1",
      port: 0,
      log_level: "debug",
      auto_load: ["a", "b"],
    });
    const env = {
      OPTA_LMX_API_KEYS: "key-number-1, key-number-2,",
      OPTA_LMX_ADMIN_KEYS: "admin-key-1",
      OPTA_LMX_ALLOWED_ORIGINS: "https://a.example",
      OPTA_LMX_MODEL_ROOTS: "/models:~/more",
      OPTA_LMX_AUTO_LOAD: "org/a",
      OPTA_LMX_LOAD_ON_REQUEST: "never",
      OPTA_LMX_LOG_LEVEL: "silent",
    };
    const { config } = load({}, env);
    expect(config).toMatchObject({
      api_keys: ["key-number-1", "key-number-2"],
      admin_keys: ["admin-key-1"],
      allowed_origins: ["https://a.example"],
      auto_load: ["org/a"],
      load_on_request: "never",
      log_level: "silent",
    });
    expect(config.model_roots[0]).toBe("/models");
  });

  it("an empty flag is meant, an empty variable is not", async () => {
    const { load } = await fixture("auto_load: [org/a]\n");
    expect(load({ autoLoad: "" }).config.auto_load).toEqual([]);
    expect(load({}, { OPTA_LMX_AUTO_LOAD: "" }).config.auto_load).toEqual(["org/a"]);
  });

  it("paths are absolute: ~ is the home directory, the rest is relative to the file that says it", async () => {
    const { load, home } = await fixture("model_roots: [~/a, b, /c]\n");
    expect(load().config.model_roots).toEqual([join(home, "a"), join(home, ".opta-lmx", "b"), "/c"]);
  });

  it("OPTA_LMX_HOME moves the state directory, OPTA_LMX_RUNTIMES the runtimes, --config the file", async () => {
    const { load, home } = await fixture();
    await writeFile(join(home, "other.yaml"), "port: 99\n");
    const { paths, config } = load(
      { config: join(home, "other.yaml") },
      { OPTA_LMX_HOME: "~/state", OPTA_LMX_RUNTIMES: join(home, "shared") },
    );
    expect(paths).toMatchObject({
      stateDirectory: join(home, "state"),
      registryFile: join(home, "state", "compatibility-registry.json"),
      auditFile: join(home, "state", "audit.json"),
      quarantineFile: join(home, "state", "quarantine.json"),
      startsFile: join(home, "state", "starts.json"),
      dossiersDirectory: join(home, "state", "dossiers"),
      intentsFile: join(home, "state", "load-intents.json"),
      workersFile: join(home, "state", "workers.json"),
      runtimesDirectory: join(home, "shared"),
      configFile: join(home, "other.yaml"),
    });
    expect(config.port).toBe(99);
  });
});

describe("what is wrong is said with file, line, and what to write instead", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["an unknown key", "host: localhost\nprot: 1\n", '2:1: unknown key "prot"; did you mean "port"?'],
    [
      "a nested unknown key",
      "timeouts:\n  hold_secnds: 3\n",
      '2:3: unknown key "hold_secnds"; did you mean "hold_seconds"?',
    ],
    [
      "an unknown sampling option",
      "models:\n  org/a: { sampling: { temprature: 0.2 } }\n",
      '2:24: unknown key "temprature"; did you mean "temperature"?',
    ],
    [
      "an unknown key of the quarantine",
      "quarantine: { failure: 2 }\n",
      '1:15: unknown key "failure"; did you mean "failures"?',
    ],
    [
      "an unknown key of an advisory",
      "advisories: [{ id: a, package: mlx, summary: s, source: s, modles: [m] }]\n",
      '1:60: unknown key "modles"; did you mean "models"?',
    ],
    [
      "an unknown key of a model",
      "models:\n  a:\n    canary: {prompt: x, expct: y, expect: z}\n",
      '3:25: unknown key "expct"; did you mean "expect"?',
    ],
    ["a wrong type", 'port: "80"\n', '1:7: port: expected a number, got "80"'],
    [
      "a number where text is due",
      "host: 1\n",
      "1:7: host: expected text (quote it if it looks like a number), got 1",
    ],
    ["a value out of range", "port: 70000\n", "1:7: port: expected at most 65535, got 70000"],
    ["a fraction", "port: 1.5\n", "1:7: port: expected a whole number, got 1.5"],
    [
      "an unknown choice",
      "log_level: loud\n",
      '1:12: log_level: expected one of "trace", "debug", "info", "warn", "error", "silent", got "loud"',
    ],
    [
      "a single value for a list",
      "auto_load: lmx-demo\n",
      '1:12: auto_load: expected a list, got "lmx-demo"',
    ],
    [
      "an item of a list",
      "auto_load:\n  - a\n  - 2\n",
      "3:5: auto_load.1: expected text (quote it if it looks like a number), got 2",
    ],
    ["a section left empty", "timeouts:\n", "1:10: timeouts: expected a mapping, got nothing (null)"],
    ["a key used twice", "port: 1\nport: 2\n", "2:1: Map keys must be unique"],
    [
      "broken syntax",
      "host: [a\nport: 1\n",
      "2:1: Flow sequence in block collection must be sufficiently indented",
    ],
    ["another document", "- port\n", '1:1: expected a mapping such as "port: 1234", got a list'],
    [
      "a pattern",
      'models:\n  a:\n    canary: {prompt: x, expect: "("}\n',
      '3:33: models.a.canary.expect: expected a regular expression, got "("',
    ],
  ];

  it.each(cases)("%s", async (_, content, expected) => {
    const { problems, file } = await fixture(content);
    expect(problems()[0]).toContain(`${file}:${expected}`);
  });

  it("all of it at once, in the order of the file, flags and variables after it", async () => {
    const { problems, file } = await fixture("prot: 1\nlog_level: loud\nhost: 3\n");
    const found = problems({ port: "eighty" }, { OPTA_LMX_LOAD_ON_REQUEST: "maybe" });
    expect(found.map((problem) => problem.replace(file, "F").split(/: |;/, 2).join(": "))).toEqual([
      'F:1:1: unknown key "prot"',
      "F:2:12: log_level",
      "F:3:7: host",
      "--port: port",
      "OPTA_LMX_LOAD_ON_REQUEST: load_on_request",
    ]);
  });

  it("keys are never repeated in a message", async () => {
    const { problems } = await fixture("api_keys: [1234567890123, short]\n");
    const text = problems({}, { OPTA_LMX_ADMIN_KEYS: "tiny" }).join("\n");
    expect(text).not.toMatch(/1234567890123|"short"|tiny/);
    expect(text).toContain("api_keys.1: expected a length of at least 8");
  });

  it("a file that cannot be read stops the start; a missing one does not, unless it was named", async () => {
    const { problems, file, home } = await fixture();
    expect(problems()).toEqual([]);
    expect(problems({ config: join(home, "nothing.yaml") })[0]).toContain("no such file");
    await mkdir(file);
    expect(problems()[0]).toMatch(/config\.yaml: cannot be read: .* is a directory/);
  });

  it.skipIf(process.getuid?.() === 0)("a file without permission stops the start", async () => {
    const { problems, file } = await fixture("port: 1\n");
    await chmod(file, 0);
    expect(problems()[0]).toContain("EACCES");
  });

  it("an empty file, or one of comments, is fine", async () => {
    expect((await fixture("")).problems()).toEqual([]);
    expect((await fixture("# nothing yet\n")).problems()).toEqual([]);
  });

  it("a file that is far too large, or unfolds without end, is not swallowed", async () => {
    expect((await fixture("#".repeat(2_000_000))).problems()[0]).toContain("is it the right file?");
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg"]) {
      bomb.push(`${to}: &${to} [${Array.from({ length: 9 }, () => `*${from}`).join(", ")}]`);
    }
    expect((await fixture(bomb.join("\n"))).problems()[0]).toMatch(/alias/i);
  });

  it.each([
    ["tens of thousands of unknown keys", Array.from({ length: 22_000 }, (_, n) => `a${n}: 1`).join("\n")],
    ["a list of a hundred thousand wrong items", `api_keys: [${"1,".repeat(100_000)}1]`],
    ["aliases by the ten thousand", `a: &a [1]\nb: [${"*a,".repeat(50_000)}1]`],
    ["as many lists inside lists", `a: ${"[".repeat(100_000)}`],
  ])("%s are refused without being read", async (_, content) => {
    const problems = (await fixture(content)).problems();
    expect(problems).toEqual([expect.stringContaining("expected at most 40000 lines, keys and list items")]);
  });

  it.each([
    ["wrong keys", Array.from({ length: 5_000 }, (_, n) => `a${n}: 1`).join("\n"), "unknown key"],
    ["wrong items", `api_keys: [${"1,".repeat(5_000)}1]`, "api_keys.0: expected text"],
    ["keys that repeat", `port: 1\n${"port: 2\n".repeat(5_000)}`, "Map keys must be unique"],
    ["lists inside lists", `a: ${"[".repeat(10_000)}`, "nested too deeply"],
  ])("of thousands of %s the first are told", async (_, content, words) => {
    const problems = (await fixture(content)).problems();
    expect(problems.length).toBeLessThanOrEqual(20);
    expect(problems[0]).toContain(words);
  });

  it("a pipe in its place is not waited for, and the null device is as good as an empty file", async () => {
    const { problems, file } = await fixture();
    execFileSync("mkfifo", [file]);
    expect(problems()[0]).toContain("is a named pipe, expected a regular file");
    expect(problems({ config: "/dev/null" })).toEqual([]);
  });

  it.each(["admin_keys: |hunter2hunter2\n", "api_keys: [\n]\n]\nhunter2hunter2\n"])(
    "does not repeat what it cannot read: %j",
    async (text) => {
      const problems = (await fixture(text)).problems().join();
      expect(problems).toMatch(/config\.yaml:\d+:\d+: \w/);
      expect(problems).not.toContain("hunter2");
    },
  );

  it("does not repeat a key that begins with a star", async () => {
    const problems = (await fixture("api_keys: [*hunter2hunter2]\n")).problems().join();
    expect(problems).toContain("has to stand in quotes");
    expect(problems).not.toContain("hunter2");
  });
});

describe("an address that other machines reach", () => {
  it.each(["0.0.0.0", "::", "192.168.1.5", "studio.local", "127.0.0.1.example.com"])(
    "%s needs both keys",
    async (host) => {
      const { problems, load } = await fixture();
      expect(problems({ host })[0]).toContain(
        "set api_keys (OPTA_LMX_API_KEYS) and admin_keys (OPTA_LMX_ADMIN_KEYS)",
      );
      expect(problems({ host }, { OPTA_LMX_API_KEYS: "key-number-1" })[0]).toContain("set admin_keys");
      const env = { OPTA_LMX_API_KEYS: "key-number-1", OPTA_LMX_ADMIN_KEYS: "admin-key-1" };
      expect(load({ host }, env).config.host).toBe(host);
    },
  );

  it.each(["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"])(
    "%s needs none",
    async (host) => {
      const { problems } = await fixture();
      expect(problems({ host })).toEqual([]);
    },
  );
});

describe("hostile files", () => {
  it("end in a configuration or in problems, never in anything else", async () => {
    const { home, file } = await fixture();
    const keys = fc.constantFrom(
      "host",
      "port",
      "timeouts",
      "models",
      "aliases",
      "auto_load",
      "__proto__",
      "constructor",
      "x",
    );
    const content = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(keys, fc.anything({ maxDepth: 3 })).map(toYamlish),
    );
    await fc.assert(
      fc.asyncProperty(content, async (text) => {
        await writeFile(file, text);
        try {
          configSchema.parse(loadConfig({ env: {}, home }).config);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** JSON is YAML, near enough. */
function toYamlish(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner)) ?? ""
  );
}
