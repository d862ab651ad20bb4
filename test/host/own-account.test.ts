import { describe, expect, it } from "vitest";
import { ownAccount, privateGroup } from "../../supervisor/host/own-account.ts";

const ALICE = { uid: 1000, gid: 1000, name: "alice" };

describe("a private group", () => {
  it("has the number and the name of its account, and nobody else in it", () => {
    expect(privateGroup(ALICE, "users:x:100:\nalice:x:1000:\n")).toBe(1000);
    expect(privateGroup(ALICE, "alice:x:1000:alice\n")).toBe(1000);
  });

  it.each([
    ["somebody else in it", ALICE, "alice:x:1000:bob\n"],
    ["another name", ALICE, "staff:x:1000:\n"],
    ["two names", ALICE, "alice:x:1000:\nstaff:x:1000:bob\n"],
    ["no line", ALICE, ""],
    ["the number of no account", { ...ALICE, gid: 100 }, "users:x:100:\n"],
    ["root in it", { uid: 0, gid: 0, name: "root" }, "root:x:0:\n"],
  ])("is none with %s", (_, account, groups) => {
    expect(privateGroup(account, groups)).toBeNull();
  });
});

it("knows whom this process runs as", () => {
  expect(ownAccount()).toMatchObject({ uid: process.geteuid?.(), name: expect.stringMatching(/./) });
  expect(ownAccount("/nowhere")).toMatchObject({ privateGroup: null });
});
