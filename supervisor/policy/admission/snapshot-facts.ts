/** What a model's directory holds, as far as names, sizes and headers tell; no tensor data was read. */
export interface SnapshotFacts {
  /** The model's config as mlx_lm sees it: `eos_token_id` of generation_config.json wins. Null: unreadable. */
  readonly config: JsonObject | null;
  /** quantization_config as mlx_lm finds it: in config, in its text_config, or in hf_quant_config.json. */
  readonly quantizationConfig: JsonValue | undefined;
  /** The files mlx_lm would load, `model*.safetensors`, in the order of their names. */
  readonly shards: readonly ShardFacts[];
  readonly tensorCount: number;
  /** Bytes of all tensors together. */
  readonly weightBytes: number;
  /** What the tensors' names and dtypes say about how they are packed. */
  readonly packing: PackingFacts;
  /** Weight files of other backends or layouts, such as GGUF and PyTorch ones. */
  readonly foreignWeights: readonly string[];
  readonly tokenizer: TokenizerFacts;
  readonly problems: readonly SnapshotProblem[];
}

export interface ShardFacts {
  readonly name: string;
  /** Of the file. */
  readonly sizeBytes: number;
  /** Of the JSON header, without the eight bytes of its length. */
  readonly headerBytes: number;
  readonly tensorCount: number;
}

export interface PackingFacts {
  /** 8-bit floats, or the scales that go with them. */
  readonly hasFp8: boolean;
  /** `.qweight`: AWQ and GPTQ. */
  readonly hasPackedIntegers: boolean;
  /** `.g_idx`: GPTQ with reordered groups. */
  readonly hasGroupIndex: boolean;
}

export interface TokenizerFacts {
  /** `tokenizer_class` of tokenizer_config.json. */
  readonly className: string | null;
  /** `auto_map` names a tokenizer among the model's own code. */
  readonly hasOwnCode: boolean;
  readonly hasChatTemplate: boolean;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** One thing that is not as it should be; `judgeProblem` says whether it refuses the model. */
export type SnapshotProblem =
  | { readonly kind: "directory-unreadable"; readonly detail: string }
  | { readonly kind: "too-many-files"; readonly limit: number }
  | { readonly kind: "special-file"; readonly file: string }
  | { readonly kind: "config-missing" }
  | { readonly kind: "config-unreadable"; readonly detail: string }
  | { readonly kind: "config-not-object"; readonly found: string }
  | { readonly kind: "generation-config-unreadable"; readonly detail: string }
  | { readonly kind: "no-weights"; readonly foreign: readonly string[] }
  | {
      readonly kind: "missing-shard";
      readonly file: string;
      readonly named: "index" | "numbering";
      readonly tensors: number;
      readonly partial: string | null;
    }
  /** Beyond those that are named: tensors of such files by the index, files by the numbers. */
  | { readonly kind: "more-missing-shards"; readonly named: "index" | "numbering"; readonly count: number }
  | { readonly kind: "broken-link"; readonly file: string }
  | { readonly kind: "not-a-file"; readonly file: string }
  | { readonly kind: "unreadable-file"; readonly file: string; readonly detail: string }
  | { readonly kind: "empty-file"; readonly file: string }
  | { readonly kind: "lfs-pointer"; readonly file: string }
  | {
      readonly kind: "truncated";
      readonly file: string;
      readonly expectedBytes: number;
      readonly foundBytes: number;
    }
  | { readonly kind: "bad-header"; readonly file: string; readonly detail: string }
  | {
      readonly kind: "header-too-large";
      readonly file: string;
      readonly headerBytes: number;
      readonly limitBytes: number;
    }
  | { readonly kind: "too-many-tensors"; readonly file: string; readonly limit: number }
  | {
      readonly kind: "wrong-size";
      readonly file: string;
      readonly tensor: string;
      readonly expectedBytes: number;
      readonly foundBytes: number;
    }
  | { readonly kind: "overlap"; readonly file: string; readonly tensors: readonly [string, string] }
  | { readonly kind: "padding"; readonly file: string; readonly bytes: number }
  | {
      readonly kind: "duplicate-tensor";
      readonly files: readonly [string, string];
      readonly tensor: string;
      readonly count: number;
      readonly stray: string | null;
    }
  | {
      readonly kind: "unsupported-dtype";
      readonly file: string;
      readonly tensor: string;
      readonly dtype: string;
    }
  | {
      readonly kind: "dtype-mismatch";
      readonly tensor: string;
      readonly file: string;
      readonly dtype: string;
      readonly expected: string;
    }
  | { readonly kind: "partial-download"; readonly file: string }
  | { readonly kind: "index-unreadable"; readonly detail: string }
  | { readonly kind: "index-stale"; readonly detail: string }
  | { readonly kind: "index-names-unknown-tensors"; readonly tensor: string; readonly count: number }
  | {
      readonly kind: "missing-layers";
      readonly expected: number;
      readonly found: number;
      readonly first: number;
    }
  | { readonly kind: "extra-layers"; readonly expected: number; readonly found: number }
  | { readonly kind: "broken-packing"; readonly tensor: string; readonly detail: string }
  | { readonly kind: "packing-differs"; readonly tensor: string; readonly detail: string }
  | { readonly kind: "tokenizer-missing" }
  | { readonly kind: "tokenizer-unreadable"; readonly file: string; readonly detail: string }
  | { readonly kind: "chat-template-missing" }
  | { readonly kind: "chat-template-bad"; readonly file: string; readonly detail: string }
  | {
      readonly kind: "eos-beyond-vocabulary";
      readonly ids: readonly number[];
      readonly rows: number;
      readonly isEvery: boolean;
    }
  | {
      readonly kind: "tokenizer-beyond-embedding";
      readonly largestId: number;
      readonly rows: number;
      readonly token: string | null;
    }
  | { readonly kind: "added-tokens-beyond-embedding"; readonly largestId: number; readonly rows: number };

export type ProblemKind = SnapshotProblem["kind"];
