import { expect, it } from "vitest";
import { planSweep } from "../../supervisor/compat/plan-sweep.ts";

const LISTED = ["glm4_moe", "glm_moe_dsa", "kimi_k2", "llama", "minimax"].map((arch) => ({
  arch,
  family: arch,
}));
const names = (wanted?: string[]) => planSweep(LISTED, wanted).map(({ arch }) => arch);

it("goes through everything, and says so of the GLM, Kimi and MiniMax families that are not there", () => {
  expect(names()).toEqual([...LISTED.map(({ arch }) => arch), "kimi_k25", "kimi_linear", "minimax_m2"]);
  expect(planSweep(LISTED, undefined).at(-1)?.limit).toMatchObject({ kind: "cannot-build" });
});

it("goes through the wanted ones, each once and in the order of the list", () => {
  expect(names(["minimax", "glm4_moe", "minimax"])).toEqual(["glm4_moe", "minimax"]);
});

it("refuses an unknown name and offers what is near", () => {
  expect(() => names(["llama", "glm4_mo"])).toThrow(
    expect.objectContaining({
      code: "invalid_request_error",
      param: "archs",
      message: expect.stringContaining("Did you mean glm4_moe"),
    }),
  );
});
