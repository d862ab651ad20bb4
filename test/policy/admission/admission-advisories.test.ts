import { describe, expect, it } from "vitest";
import {
  type Advisory,
  DEFAULT_ADVISORIES,
  matchAdvisories,
} from "../../../supervisor/policy/admission/advisories.ts";
import { DEFAULT_BLOCKLIST } from "../../../supervisor/policy/admission/runtime-blocklist.ts";
import type { JsonObject } from "../../../supervisor/policy/admission/snapshot-facts.ts";
import { parseRange } from "../../../supervisor/policy/admission/version-range.ts";

const linux = { backend: "mlx-lm", backendVersion: "0.32.2", mlxVersion: "0.32.4", platform: "linux" };

function ids(
  { id = "org/model", config = {} }: { id?: string; config?: JsonObject | null },
  runtime: Partial<typeof linux> = {},
  advisories: readonly Advisory[] = DEFAULT_ADVISORIES,
): string[] {
  return matchAdvisories(advisories, { id, config }, { ...linux, ...runtime }).map((advisory) => advisory.id);
}

describe("the advisories we ship", () => {
  it("have readable ranges, one id each, and a source", () => {
    expect(DEFAULT_ADVISORIES.filter(({ range }) => parseRange(range) === null)).toEqual([]);
    expect(new Set(DEFAULT_ADVISORIES.map(({ id }) => id)).size).toBe(DEFAULT_ADVISORIES.length);
    expect(DEFAULT_ADVISORIES.filter(({ source }) => source === "")).toEqual([]);
    expect(DEFAULT_BLOCKLIST.filter(({ versions }) => parseRange(versions) === null)).toEqual([]);
  });

  it("say nothing about an ordinary model on the pinned runtime", () => {
    expect(ids({ config: { quantization: { bits: 4, group_size: 64 } } })).toEqual([]);
  });

  it("know the versions with silent corruption, for the models they corrupt", () => {
    const nvfp4 = { config: { quantization: { mode: "nvfp4", bits: 4 } } };
    expect(ids(nvfp4, { mlxVersion: "0.31.2" })).toEqual(["mlx-clear-cache-crash", "mlx-nvfp4-split-k"]);
    expect(ids(nvfp4, { mlxVersion: "0.32.0" })).toEqual(["mlx-nvfp4-split-k-again"]);
    expect(ids({}, { mlxVersion: "0.32.0" })).toEqual([]);
    expect(ids({ config: { quantization: { bits: 4 } } }, { mlxVersion: "0.31.1" })).toEqual([
      "mlx-fused-attention-4bit",
    ]);
    expect(ids({ config: { quantization: { bits: 8 } } }, { mlxVersion: "0.31.1" })).toEqual([]);
  });

  it("know the models that bring a Mac down, on a Mac", () => {
    const id = "mlx-community/Gemma-4-31B-it-8bit";
    expect(ids({ id }, { platform: "darwin" })).toEqual(["gemma-4-31b-8bit-panic"]);
    expect(ids({ id })).toEqual([]);
    expect(ids({ id: "mlx-community/gemma-4-31b-it-4bit" }, { platform: "darwin" })).toEqual([]);
  });

  it("warn of a multimodal checkpoint", () => {
    expect(ids({ config: { vision_config: {} } })).toEqual(["vision-config-as-text"]);
    expect(ids({ config: null })).toEqual([]);
  });
});

describe("a model's name", () => {
  const named = (...models: string[]): Advisory[] => [
    { id: "x", package: "mlx", range: "", models, level: "warn", summary: "", source: "" },
  ];
  it.each([
    ["org/a", "org/a", true],
    ["org/a", "org/ab", false],
    ["org/a", "xorg/a", false],
    ["*a", "org/a", true],
    ["*a", "org/ab", false],
    ["org/*", "ORG/b", true],
    ["*b*", "abc", true],
    ["a*b*c", "a-c-b", false],
    ["a*b*c", "a-b-c", true],
    ["*ab*ab*", "xab", false],
    ["ab*b", "ab", false],
    ["*", "anything", true],
  ])("%s matches %s: %s", (pattern, id, expected) => {
    expect(ids({ id }, {}, named(pattern))).toEqual(expected ? ["x"] : []);
  });

  it("of an advisory whose range cannot be read matches nothing", () => {
    expect(
      ids({}, {}, [{ id: "x", package: "mlx", range: ">>1", level: "refuse", summary: "", source: "" }]),
    ).toEqual([]);
  });
});
