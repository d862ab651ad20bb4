import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../supervisor/cli/commands.ts";
import { EXIT_CODES } from "../../supervisor/cli/exit-codes.ts";
import { lmx } from "./lmx.ts";

describe("help", () => {
  it.each([[], ["--help"], ["-h"], ["help"]])(
    "lmx %s lists the commands and the exit codes",
    async (...args) => {
      const { code, out } = await lmx(args);
      expect(code).toBe(0);
      for (const name of ["serve", "ps", "load <model>", "run <model> [prompt...]", "config show"])
        expect(out).toContain(`  ${name}`);
      for (const { code: exitCode, meaning } of Object.values(EXIT_CODES)) {
        expect(out).toMatch(
          new RegExp(`^  ${exitCode} +${meaning.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`, "m"),
        );
      }
    },
  );

  it.each(COMMANDS.map(({ name }) => name))(
    "lmx %s --help teaches with an example, and lmx help says the same",
    async (name) => {
      const words = name.split(" ");
      const { code, out } = await lmx([...words, "--help"]);
      expect(code).toBe(0);
      expect(out).toContain(`Usage: lmx ${name}`);
      expect(out).toMatch(new RegExp(`Examples?:\\n  lmx ${name}`));
      expect((await lmx(["help", ...words])).out).toBe(out);
      const options = COMMANDS.find((command) => command.name === name)?.options ?? {};
      for (const [option, { short }] of Object.entries(options)) {
        expect(out).toMatch(new RegExp(`^  ${short ? `-${short}, ` : ""}--${option}\\b`, "m"));
      }
      expect(out.split("\n").every((line) => line.length <= 120)).toBe(true);
    },
  );

  it("--version prints the version", async () => {
    expect(await lmx(["--version"])).toMatchObject({ code: 0, out: "lmx 1.2.3\n" });
  });
});

describe("a wrong command line", () => {
  it.each([
    [["sreve"], 'There is no command "sreve". Did you mean "lmx serve"?'],
    [["frobnicate"], 'There is no command "frobnicate". "lmx --help" lists them.'],
    [["ps", "--jsn"], "There is no option --jsn. Did you mean --json?"],
    [["ps", "--zzzz"], 'There is no option --zzzz. "lmx ps --help" explains them.'],
    [["load"], 'Expected "lmx load <model>", got 0 arguments.'],
    [["load", "a", "b"], 'Expected "lmx load <model>", got 2 arguments.'],
    [["load", ""], 'Expected "lmx load <model>"'],
    [["run"], 'Expected "lmx run <model> [prompt...]", got 0 arguments.'],
    [["config"], 'There is no command "config". Did you mean "lmx config show"?'],
    [["config", "shwo"], 'Did you mean "lmx config show"?'],
    [["serve", "--port"], "argument missing"],
    [["ps", "--url", "localhost:1234"], "Expected an address such as http://127.0.0.1:1234"],
    [["help", "lod"], 'Did you mean "lmx load"?'],
  ])("%j is explained and exits 64", async (args, message) => {
    const { code, err, out } = await lmx(args);
    expect(err).toContain(message);
    expect([code, out]).toEqual([64, ""]);
  });

  it("what it repeats of the line cannot steer the terminal", async () => {
    expect((await lmx(["\u001b[2Jps"])).err).not.toContain("\u001b");
  });
});

describe("serve", () => {
  it("hands its flags on as they are typed, and only those", async () => {
    expect((await lmx(["serve"])).served).toEqual([{}]);
    const args = [
      "serve",
      "--host",
      "::1",
      "--port=0",
      "--config",
      "c.yaml",
      "--log-level",
      "debug",
      "--auto-load",
      "",
    ];
    expect((await lmx(args)).served).toEqual([
      { host: "::1", port: "0", config: "c.yaml", logLevel: "debug", autoLoad: "" },
    ]);
  });
});

describe("a bug", () => {
  it("is called one, and exits 70", async () => {
    const broken = {
      stdout: {
        write: () => {
          throw new Error("broken output");
        },
      },
    };
    expect(await lmx(["--version"], {}, broken)).toMatchObject({
      code: 70,
      err: expect.stringContaining("this is a bug"),
    });
  });
});
