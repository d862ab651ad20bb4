import type { JsonObject, JsonValue, SnapshotFacts } from "./snapshot-facts.ts";

/** Whether mlx_lm can make sense of how the config says the weights are packed. */
export type QuantizationVerdict =
  | { readonly kind: "fine"; readonly detail: string }
  /** The config is damaged: mlx_lm stumbles over it, or overlooks it. */
  | { readonly kind: "malformed"; readonly detail: string }
  /** A packing mlx_lm cannot read. */
  | { readonly kind: "unsupported"; readonly detail: string };

/** What mlx has kernels for, by mode. */
const MODES: ReadonlyMap<string, { readonly bits: readonly number[]; readonly groups: readonly number[] }> =
  new Map([
    ["affine", { bits: [2, 3, 4, 5, 6, 8], groups: [16, 32, 64, 128] }],
    ["mxfp4", { bits: [4], groups: [32] }],
    ["mxfp8", { bits: [8], groups: [32] }],
    ["nvfp4", { bits: [4], groups: [16] }],
  ]);
const COMPRESSED_FORMATS = ["nvfp4-pack-quantized", "mxfp4-pack-quantized", "pack-quantized"];

/** @param readsFp8 the architecture's code turns 8-bit float weights into plain ones */
export function judgeQuantization(
  snapshot: Pick<SnapshotFacts, "config" | "quantizationConfig" | "packing">,
  readsFp8: boolean,
): QuantizationVerdict {
  const own = snapshot.config?.quantization;
  // mlx's own block wins over every other; null counts as absent.
  if (own !== undefined && own !== null) return judgeOwn(own);
  const other = snapshot.quantizationConfig;
  if (isFalsy(other)) {
    return snapshot.packing.hasFp8 && !readsFp8
      ? unsupported("the weights are 8-bit floats, which this architecture's code cannot read")
      : { kind: "fine", detail: "not quantised" };
  }
  if (!isObject(other)) return malformed(`quantization_config is ${describe(other)}, expected an object`);
  const method = other.quant_method;
  if (typeof method !== "string") return malformed("quantization_config names no quant_method");
  return judgeMethod(method, other, snapshot.packing, readsFp8);
}

function judgeOwn(own: JsonValue): QuantizationVerdict {
  if (!isObject(own)) return malformed(`quantization is ${describe(own)}, expected an object`);
  const { bits, group_size: group, mode = "affine" } = own;
  const known = typeof mode === "string" ? MODES.get(mode) : undefined;
  if (known === undefined)
    return malformed(`quantization.mode is ${describe(mode)}, expected ${[...MODES.keys()].join(", ")}`);
  if (typeof bits !== "number" || !known.bits.includes(bits))
    return malformed(`quantization.bits is ${describe(bits)}, expected ${known.bits.join(", ")}`);
  if (typeof group !== "number" || !known.groups.includes(group))
    return malformed(`quantization.group_size is ${describe(group)}, expected ${known.groups.join(", ")}`);
  return { kind: "fine", detail: `${mode}, ${bits} bits in groups of ${group}` };
}

function judgeMethod(
  method: string,
  settings: JsonObject,
  packing: SnapshotFacts["packing"],
  readsFp8: boolean,
): QuantizationVerdict {
  const fine: QuantizationVerdict = { kind: "fine", detail: method };
  switch (method) {
    case "bitnet":
    case "mxfp4":
    case "mxfp8":
      return fine;
    case "fp8":
      if (!packing.hasFp8 || readsFp8 || isMxfp8(settings)) return fine;
      return unsupported("fp8 weights, which this architecture's code cannot read");
    case "compressed-tensors":
      if (typeof settings.format === "string" && COMPRESSED_FORMATS.includes(settings.format)) return fine;
      return unsupported(`compressed-tensors in the format ${describe(settings.format)}`);
    case "modelopt": {
      const algorithm = (isObject(settings.quantization) ? settings.quantization : settings).quant_algo;
      return algorithm === "NVFP4" ? fine : unsupported(`ModelOpt's ${describe(algorithm)}`);
    }
    case "awq":
    case "gptq":
      return judgePackedIntegers(method, settings, packing);
    default:
      return unsupported(`the quantisation ${describe(method)}`);
  }
}

function judgePackedIntegers(
  method: string,
  settings: JsonObject,
  packing: SnapshotFacts["packing"],
): QuantizationVerdict {
  const { bits = 4 } = settings;
  if (bits !== 4) return unsupported(`${method} with ${describe(bits)} bits; only 4 can be read`);
  if (packing.hasGroupIndex) return unsupported(`${method} with reordered groups (g_idx)`);
  if (!packing.hasPackedIntegers)
    return malformed(`the config says ${method}, but no tensor is packed that way`);
  return { kind: "fine", detail: `${method}, 4 bits` };
}

/** Scales that are powers of two over blocks of 32 by 32 are mlx's own mxfp8. */
function isMxfp8({ scale_fmt: format, weight_block_size: block }: JsonObject): boolean {
  return (
    format === "ue8m0" && Array.isArray(block) && block.length === 2 && block.every((side) => side === 32)
  );
}

function malformed(detail: string): QuantizationVerdict {
  return { kind: "malformed", detail };
}

function unsupported(detail: string): QuantizationVerdict {
  return { kind: "unsupported", detail };
}

/** As Python's truth: mlx_lm skips an empty block. */
function isFalsy(value: JsonValue | undefined): boolean {
  if (isObject(value)) return Object.keys(value).length === 0;
  return Array.isArray(value) ? value.length === 0 : !value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describe(value: JsonValue | undefined): string {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, 60);
}
