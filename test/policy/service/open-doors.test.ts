import { expect, it } from "vitest";
import { openDoors } from "../../../supervisor/policy/service/open-doors.ts";

const NO_KEYS = { api_keys: [], admin_keys: [] };
const open = (config: object, ...accounts: string[]) =>
  openDoors({ ...NO_KEYS, ...config }, accounts, "/state/config.yaml");

it("a machine of one person, or a service that asks for keys, is closed", () => {
  expect(open({}, "anna")).toBeNull();
  expect(open({})).toBeNull();
  expect(open({ api_keys: ["key-number-1"] }, "anna", "ben")).toBeNull();
  expect(open({ api_keys: ["key-number-1"], admin_keys: ["key-number-2"] }, "anna", "ben")).toBeNull();
});

it("without keys everybody with an account uses and steers it", () => {
  expect(open({}, "anna", "ben")).toEqual({
    who: "2 people have an account on this machine (anna, ben); without a key each of them may use its models, load and unload them",
    nextStep:
      'Set api_keys and admin_keys in /state/config.yaml; a service that runs takes them with "lmx config reload".',
  });
});

it("with keys for operators alone everybody uses its models", () => {
  const doors = open({ admin_keys: ["key-number-2"] }, "anna", "ben");
  expect(doors?.who).toMatch(/may use its models$/);
  expect(doors?.nextStep).toContain("Set api_keys in /state");
});

it("names four of many", () => {
  expect(open({}, "a", "b", "c", "d", "e", "f")?.who).toContain("(a, b, c, d, 2 more)");
});
