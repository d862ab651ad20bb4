import type { ErrorCode } from "../../shared/errors.ts";

const incomplete = "model_incomplete";
const arch = "model_unsupported_arch";
const backend = "model_unsupported_backend";

/** The code each damage is refused with; null: admitted. */
export const EXPECTED: Readonly<Record<string, ErrorCode | null>> = {
  sound: null,
  "quantized-sound": null,

  "shard-missing": incomplete,
  "shard-missing-without-index": incomplete,
  "shard-half-downloaded": incomplete,
  "shard-truncated": incomplete,
  "shard-empty": incomplete,
  "shard-lfs-pointer": incomplete,
  "shard-link-broken": incomplete,
  "shard-stray": incomplete,
  "header-truncated": incomplete,
  "header-length-hostile": incomplete,
  "header-length-big-endian": incomplete,
  "header-not-json": incomplete,
  "weights-all-missing": incomplete,
  "weights-only-gguf": backend,
  "weights-only-pytorch": backend,
  "tensor-duplicated": incomplete,
  "tensor-longer-than-its-shape": incomplete,
  "tensor-labelled-integer": incomplete,
  "tensor-of-unsupported-type": backend,
  "tensors-overlap": incomplete,
  "layers-missing": incomplete,
  "quantized-with-torn-scales": incomplete,
  "quantized-with-wrong-bits-of-its-own": incomplete,
  "quantized-labelled-signed": incomplete,

  "config-missing": incomplete,
  "config-not-json": incomplete,
  "config-is-a-list": incomplete,
  "config-with-byte-order-mark": incomplete,
  "config-without-type": incomplete,
  "config-without-field": incomplete,
  "type-unknown": arch,
  "type-of-a-helper": arch,
  "type-that-exits": arch,
  "type-is-a-path": arch,
  "type-is-a-number": incomplete,
  "model-file": arch,
  "quantization-is-text": incomplete,
  "quantization-without-bits": incomplete,
  "quantization-of-seven-bits": incomplete,
  "quantization-config-without-method": incomplete,
  "quantization-method-unknown": backend,
  "quantization-method-awq-on-float-weights": incomplete,
  "quantization-compressed-fp8": backend,
  "end-beyond-vocabulary": incomplete,
  "generation-config-ends-beyond-vocabulary": incomplete,
  "tokenizer-missing": incomplete,
  "tokenizer-files-all-missing": incomplete,
  "tokenizer-not-json": incomplete,
  "tokenizer-without-model": incomplete,
  "tokenizer-config-not-json": incomplete,
  "tokenizer-of-a-larger-vocabulary": incomplete,
  "tokenizer-of-own-code": arch,
  "template-cut-off": incomplete,

  "shards-linked": null,
  "padding-before": null,
  "padding-after": null,
  "index-missing": null,
  "index-not-json": null,
  "index-of-other-files": null,
  "index-swaps-files": null,
  "index-names-unknown-tensor": null,
  "config-with-infinity": null,
  "auto-map-in-config": null,
  "quantization-on-float-weights": null,
  "quantization-config-empty": null,
  "quantization-fp8-on-float-weights": null,
  "quantized-with-wrong-general-bits": null,
  "generation-config-not-json": null,
  "one-end-of-two-beyond-vocabulary": null,
  "tokenizer-config-missing": null,
  "tokenizer-with-an-unused-token-too-many": null,
  "tokenizer-of-known-class-with-auto-map": null,
  "template-missing": null,
  "leftover-of-a-download": null,

  "values-nan": null,
  "values-infinite": null,
  "values-zero": null,

  "tensor-dropped": incomplete,
  "tensor-extra": incomplete,
  "tensor-misshapen": incomplete,
  "layers-extra": incomplete,
  "config-with-text-for-a-number": incomplete,
  "config-without-heads": incomplete,
  "template-with-unknown-filter": incomplete,
};

/** Architectures for which a damage means something else than for the others. */
export const EXCEPTIONS: Readonly<
  Record<string, { readonly code: ErrorCode | null; readonly archs: readonly string[] }>
> = {
  // These drop layers beyond the config's count by themselves: they hold speculative heads.
  "layers-extra": { code: null, archs: ["glm4_moe", "glm_moe_dsa", "deepseek_v32"] },
  // The tensor is the head, which may be missing when it is tied to the embedding.
  "tensor-dropped": { code: null, archs: ["gemma3_text"] },
  // transformers knows the tokenizer of these types and never looks at the model's own.
  "tokenizer-of-own-code": {
    code: null,
    archs: ["qwen3", "qwen3_moe", "glm4_moe", "kimi_k25", "minimax_m2", "gemma3_text", "mamba2"],
  },
};

/** Damages that mlx_lm loads without a word and we refuse, each with what would have come of it. */
export const SILENT: Readonly<Record<string, string>> = {
  "shard-stray": "which of two copies wins is the order of the directory",
  "tensor-duplicated": "which of two copies wins is the order of the directory",
  "tensors-overlap": "one tensor holds another's bytes",
  "tensor-labelled-integer": "floats are computed with as integers",
  "quantized-labelled-signed": "the first product raises, or is wrong",
  "end-beyond-vocabulary": "no answer ever ends",
  "generation-config-ends-beyond-vocabulary": "no answer ever ends",
  "quantization-of-seven-bits": "nobody can say how the weights were packed",
  "quantization-method-unknown": "nobody can say how the weights were packed",
  "tokenizer-of-a-larger-vocabulary": "an id without a row reads foreign memory",
  "tokenizer-files-all-missing": "some architectures get an invented, empty tokenizer",
};

/** Damages that only show when names, shapes and fields meet the architecture's code: the strict header-only load. */
export const NEEDS_INSPECT: Readonly<Record<string, string>> = {
  "tensor-dropped": "only the architecture knows which tensors it needs; tied weights may be left out",
  "tensor-extra": "only the architecture knows which tensors it drops by itself",
  "tensor-misshapen": "only the architecture knows the shapes",
  "layers-extra": "some architectures drop later layers by themselves, others refuse them",
  "config-without-field": "a default takes the field's place and no longer fits the shapes",
  "config-with-text-for-a-number": "only the architecture's code stumbles over it",
  "config-without-heads": "only the architecture's code divides by it",
  "template-with-unknown-filter": "only rendering shows it",
};
