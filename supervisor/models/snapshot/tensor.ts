/** One entry of a safetensors header. */
export interface Tensor {
  readonly name: string;
  /** The shard it is in. */
  readonly file: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the data to the tensor's first one, and to the one behind its last. */
  readonly begin: number;
  readonly end: number;
}

export interface Dtype {
  readonly name: string;
  /** Bits of one element. */
  readonly bits: number;
  readonly kind: "float" | "integer" | "fp8" | "complex";
  /** False: a type of the format that mlx cannot load. */
  readonly isReadable: boolean;
}

const types = (
  kind: Dtype["kind"],
  isReadable: boolean,
  bitsByName: Readonly<Record<string, number>>,
): Dtype[] => Object.entries(bitsByName).map(([name, bits]) => ({ name, bits, kind, isReadable }));

/** Types of the safetensors format by name. */
export const DTYPES: ReadonlyMap<string, Dtype> = new Map(
  [
    ...types("float", true, { F32: 32, F16: 16, BF16: 16 }),
    ...types("integer", true, {
      BOOL: 8,
      U8: 8,
      I8: 8,
      U16: 16,
      I16: 16,
      U32: 32,
      I32: 32,
      U64: 64,
      I64: 64,
    }),
    ...types("fp8", true, { F8_E4M3: 8, F8_E8M0: 8 }),
    ...types("complex", true, { C64: 64 }),
    ...types("float", false, { F64: 64 }),
    ...types("fp8", false, { F8_E5M2: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4 }),
  ].map((dtype) => [dtype.name, dtype]),
);

/** Bytes of a tensor by its type and shape. */
export function sizeOf(dtype: Dtype, shape: readonly number[]): number {
  return (shape.reduce((product, length) => product * length, 1) * dtype.bits) / 8;
}
