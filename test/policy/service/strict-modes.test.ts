import { describe, expect, it } from "vitest";
import { type Account, exposureOf, type PathUse } from "../../../supervisor/policy/service/strict-modes.ts";

const ALICE: Account = { uid: 1000, name: "alice", privateGroup: 1000 };
const ROOT: Account = { uid: 0, name: "root", privateGroup: null };
const DIRECTORY = 0o040000;

const judge = (mode: number, owner: { uid?: number; gid?: number } = {}, use?: PathUse, account = ALICE) =>
  exposureOf("/p", { uid: 1000, gid: 1000, mode: DIRECTORY | mode, ...owner }, account, use);

describe("nobody else can change", () => {
  it.each([0o700, 0o755, 0o750, 0o555])("what only its owner writes: %o", (mode) => {
    expect(judge(mode)).toBeNull();
    expect(judge(mode, { uid: 0, gid: 0 })).toBeNull();
  });

  it("what the group may write that has nobody else in it", () => {
    expect(judge(0o775)).toBeNull();
    expect(judge(0o775, { gid: 100 })?.problem).toBe("/p can be changed by group 100 (mode 0775)");
    expect(judge(0o775, {}, undefined, { ...ALICE, privateGroup: null })).not.toBeNull();
  });

  it("a sticky directory on the way, but what is in one", () => {
    expect(judge(0o1777, { uid: 0, gid: 0 }, { as: "parent" })).toBeNull();
    expect(judge(0o777, { uid: 0, gid: 0 }, { as: "parent" })).not.toBeNull();
    expect(judge(0o1777, { uid: 0, gid: 0 }, { as: "entry" })).not.toBeNull();
  });
});

describe("the next step is a command that can be pasted", () => {
  it("for what everybody may write", () => {
    expect(judge(0o777)).toEqual({
      path: "/p",
      problem: "/p can be changed by every user (mode 0777)",
      nextStep: "chmod go-w /p",
    });
  });

  it("for what belongs to somebody else", () => {
    expect(judge(0o755, { uid: 1001 })).toMatchObject({
      problem: "/p belongs to user 1001, who can change it",
      nextStep: "sudo chown alice /p",
    });
    expect(judge(0o777, { uid: 1001 }, undefined, ROOT)?.nextStep).toBe("chown root /p && chmod go-w /p");
  });

  it("for a whole directory", () => {
    expect(judge(0o666, {}, { as: "entry", tree: "/the runtime" })?.nextStep).toBe(
      "chmod -R go-w '/the runtime'",
    );
  });

  it("for keys that others may read", () => {
    const secret: PathUse = { as: "entry", isSecret: true };
    expect(judge(0o600, {}, secret)).toBeNull();
    expect(judge(0o640, {}, secret)).toBeNull();
    expect(judge(0o644, {}, secret)).toMatchObject({
      problem: "/p holds keys and can be read by every user (mode 0644)",
      nextStep: "chmod 600 /p",
    });
    expect(judge(0o640, { gid: 100 }, secret)?.problem).toContain("read by group 100");
  });

  it("whatever the path holds", () => {
    const exposure = exposureOf("/a'b $(x)", { uid: 1000, gid: 1000, mode: 0o777 }, ALICE);
    expect(exposure?.nextStep).toBe(`chmod go-w '/a'\\''b $(x)'`);
  });
});
