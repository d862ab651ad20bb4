import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeQuantization } from "../../../supervisor/policy/admission/judge-quantization.ts";
import type { JsonValue, PackingFacts } from "../../../supervisor/policy/admission/snapshot-facts.ts";

const plain: PackingFacts = { hasFp8: false, hasPackedIntegers: false, hasGroupIndex: false };

function verdict(
  { own, other }: { own?: JsonValue; other?: JsonValue },
  packing: Partial<PackingFacts> = {},
  readsFp8 = false,
) {
  const config = own === undefined ? {} : { quantization: own };
  return judgeQuantization({ config, quantizationConfig: other, packing: { ...plain, ...packing } }, readsFp8)
    .kind;
}

describe("the packing a config speaks of", () => {
  it.each<[JsonValue, string]>([
    [{ bits: 4, group_size: 64 }, "fine"],
    [{ bits: 3, group_size: 32, mode: "affine", "model.layers.0": false }, "fine"],
    [{ bits: 4, group_size: 16, mode: "nvfp4" }, "fine"],
    [{ bits: 4, group_size: 64, mode: "nvfp4" }, "malformed"],
    [{ bits: 7, group_size: 64 }, "malformed"],
    [{ bits: "4", group_size: 64 }, "malformed"],
    [{ group_size: 64 }, "malformed"],
    [{ bits: 4 }, "malformed"],
    [{ bits: 4, group_size: 64, mode: "toString" }, "malformed"],
    [{}, "malformed"],
    ["4bit", "malformed"],
    [false, "malformed"],
    [[], "malformed"],
    [null, "fine"],
  ])("as mlx's own %j is %s", (own, kind) => {
    expect(verdict({ own })).toBe(kind);
  });

  it("as mlx's own wins over any other", () => {
    expect(verdict({ own: { bits: 4, group_size: 64 }, other: { quant_method: "aqlm" } })).toBe("fine");
    expect(verdict({ own: null, other: { quant_method: "aqlm" } })).toBe("unsupported");
  });

  it.each<[JsonValue | undefined, string]>([
    [undefined, "fine"],
    [{}, "fine"],
    [null, "fine"],
    ["fp8", "malformed"],
    [{ bits: 4 }, "malformed"],
    [{ quant_method: "mxfp4" }, "fine"],
    [{ quant_method: "bitnet" }, "fine"],
    [{ quant_method: "bitsandbytes" }, "unsupported"],
    [{ quant_method: "constructor" }, "unsupported"],
    [{ quant_method: "compressed-tensors", format: "pack-quantized" }, "fine"],
    [{ quant_method: "compressed-tensors", format: "float-quantized" }, "unsupported"],
    [{ quant_method: "compressed-tensors" }, "unsupported"],
    [{ quant_method: "modelopt", quant_algo: "NVFP4" }, "fine"],
    [{ quant_method: "modelopt", quantization: { quant_algo: "NVFP4" } }, "fine"],
    [{ quant_method: "modelopt", quant_algo: "FP8" }, "unsupported"],
  ])("by its method %j is %s", (other, kind) => {
    expect(verdict(other === undefined ? {} : { other })).toBe(kind);
  });

  it("as fp8 is read by the architectures that can, or where nothing is left of it", () => {
    const other = { quant_method: "fp8", weight_block_size: [128, 128] };
    expect(verdict({ other })).toBe("fine");
    expect(verdict({ other }, { hasFp8: true })).toBe("unsupported");
    expect(verdict({ other }, { hasFp8: true }, true)).toBe("fine");
    expect(verdict({}, { hasFp8: true })).toBe("unsupported");
    const mxfp8 = { quant_method: "fp8", scale_fmt: "ue8m0", weight_block_size: [32, 32] };
    expect(verdict({ other: mxfp8 }, { hasFp8: true })).toBe("fine");
  });

  it("as AWQ or GPTQ is read with 4 bits in the order of the weights", () => {
    const other = { quant_method: "gptq", bits: 4 };
    expect(verdict({ other }, { hasPackedIntegers: true })).toBe("fine");
    expect(verdict({ other }, { hasPackedIntegers: true, hasGroupIndex: true })).toBe("unsupported");
    expect(verdict({ other: { ...other, bits: 8 } }, { hasPackedIntegers: true })).toBe("unsupported");
    expect(verdict({ other })).toBe("malformed");
  });

  it("is judged whatever it is", () => {
    const anything = fc.jsonValue() as fc.Arbitrary<JsonValue>;
    fc.assert(
      fc.property(anything, anything, fc.boolean(), (own, other, hasFp8) => {
        expect(["fine", "malformed", "unsupported"]).toContain(verdict({ own, other }, { hasFp8 }));
      }),
    );
  });
});
