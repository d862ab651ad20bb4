import { describe, expect, it } from "vitest";
import { ArgumentError, commandOf, parseBenchArguments } from "./arguments.ts";

const NAMES = ["listening", "idle-memory"];
const parse = (...args: string[]) => parseBenchArguments(args, NAMES);

describe("the arguments of npm run bench", () => {
  it("measures everything in five rounds by default", () => {
    expect(parse()).toEqual({
      only: [],
      rounds: 5,
      quick: false,
      json: null,
      openBlas: true,
      save: false,
      list: false,
    });
  });

  it("takes names one by one or with commas", () => {
    expect(parse("--only", "listening,idle-memory").only).toEqual(NAMES);
    expect(parse("--only", "listening", "--only", "idle-memory").only).toEqual(NAMES);
  });

  it("makes fewer rounds when quick, unless told otherwise", () => {
    expect(parse("--quick").rounds).toBe(2);
    expect(parse("--quick", "--rounds", "7").rounds).toBe(7);
  });

  it("names the command that repeats a measurement", () => {
    expect(commandOf(parse("--save", "--json", "samples.json"))).toBe("npm run bench -- --rounds 5");
    const args = ["--only", "listening,idle-memory", "--rounds", "3", "--quick", "--no-openblas"];
    expect(commandOf(parse(...args))).toBe(`npm run bench -- ${args.join(" ")}`);
  });

  it("refuses to publish what was measured with less work", () => {
    expect(() => parse("--save", "--quick")).toThrow("--save");
    expect(parse("--save").save).toBe(true);
    expect(parse("--save", "--only", "listening")).toMatchObject({ save: true, only: ["listening"] });
  });

  it.each([
    [["--only", "speed"], '--only takes listening, idle-memory; got "speed"'],
    [["--rounds", "0"], "--rounds takes a whole number from 1 to 100; got 0"],
    [["--rounds", "many"], "got many"],
    [["--fast"], "--fast"],
  ])("says what is wrong with %j", (args, message) => {
    expect(() => parse(...args)).toThrow(ArgumentError);
    expect(() => parse(...args)).toThrow(message);
  });
});
