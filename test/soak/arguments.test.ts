import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { flagTable } from "../support/flag-help.ts";
import { expectPageParts } from "../support/page-parts.ts";
import { commandOf, parseSoakArguments, SOAK_FLAGS, SOAK_HELP } from "./arguments.ts";

const PAGE = fileURLToPath(new URL("../../docs/soak.md", import.meta.url));

describe("the command line of a soak", () => {
  it("takes counts, a seed and a duration with its unit", () => {
    const run = parseSoakArguments("--deaths 5000 --requests 1000000 --seed 42 --duration 3h".split(" "));
    expect(run).toMatchObject({ deaths: 5_000, requests: 1_000_000, seed: 42, durationMs: 10_800_000 });
    expect(commandOf(run)).toBe(
      "npm run soak -- --deaths 5000 --requests 1000000 --seed 42 --duration 10800s --victims 3",
    );
  });

  it("is complete without anything", () => {
    expect(parseSoakArguments([])).toMatchObject({
      seed: 1,
      deaths: null,
      requests: null,
      durationMs: 60_000,
      warmUpMs: 0,
      victims: 3,
      endedWithinMs: 1_000,
      heldSlackBytes: 20 * 1024 * 1024,
      residentLimitBytes: 220 * 1024 * 1024,
      attach: null,
    });
  });

  it("attaches to a service only when it is told which model must not be touched", () => {
    expect(() => parseSoakArguments(["--url", "http://x:1"])).toThrow(/--bystander/);
    expect(() => parseSoakArguments(["--url", "http://x:1", "--bystander", "a", "--victim", "a"])).toThrow(
      /cannot be a victim/,
    );
    const attached = ["--url", "http://x:1", "--bystander", "a", "--victim", "b", "--victim", "c"];
    expect(parseSoakArguments(attached).attach).toMatchObject({ bystander: "a", victims: ["b", "c"] });
    const repeated = commandOf(
      parseSoakArguments([...attached, "--admin-key", "secret", "--held-slack-mb", "9"]),
    );
    expect(repeated).toMatch(/--held-slack-mb 9 --url http:\/\/x:1 --bystander a --victim b --victim c$/);
  });

  it.each([["--duration", "3d"], ["--duration", "0s"], ["--seed", "x"], ["--victims", "0"], ["--what"]])(
    "refuses %s %s",
    (...args) => {
      expect(() => parseSoakArguments(args)).toThrow(/--/);
    },
  );

  it("is explained by --help and on its page, every flag of it (UPDATE_DOCS=1 writes the page)", async () => {
    for (const name of Object.keys(SOAK_FLAGS)) expect(SOAK_HELP).toContain(`  --${name} `);
    await expectPageParts(PAGE, { flags: flagTable(SOAK_FLAGS) });
  });
});
