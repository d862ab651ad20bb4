import { execFileSync } from "node:child_process";
import { mkdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { diskAccess, type FileAccess } from "../../../supervisor/models/snapshot/file-access.ts";
import { inspectSnapshot } from "../../../supervisor/models/snapshot/inspect-snapshot.ts";
import type { SnapshotProblem } from "../../../supervisor/policy/admission/snapshot-facts.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import {
  type Entry,
  headerOf,
  SOUND_FILES,
  SOUND_SHAPES,
  shardBytes,
  writeSnapshot,
} from "./snapshot-directory.ts";

type Changes = Readonly<Record<string, string | Buffer | null>>;

async function problemsOf(changes: Changes): Promise<readonly SnapshotProblem[]> {
  return (await inspectSnapshot(await writeSnapshot(await temporaryDirectory(), changes))).problems;
}

/** A sound model whose one shard has this header. */
async function problemsOfHeader(header: object | string, dataBytes?: number) {
  return await problemsOf({ "model.safetensors": shardBytes(header, dataBytes) });
}

const json = (value: unknown) => JSON.stringify(value);
const sound = headerOf(SOUND_SHAPES);
const layer = "model.layers.1.mlp.weight";
const config = (changes: object) => ({
  "config.json": json({ model_type: "llama", num_hidden_layers: 2, ...changes }),
});

describe("a snapshot", () => {
  it("that is sound has no problems, and its facts are right", async () => {
    const facts = await inspectSnapshot(await writeSnapshot(await temporaryDirectory()));
    expect(facts).toMatchObject({
      problems: [],
      tensorCount: 3,
      weightBytes: 4 * (32 + 16 + 16),
      config: { model_type: "llama" },
      tokenizer: { className: "PreTrainedTokenizerFast", hasOwnCode: false, hasChatTemplate: true },
    });
    expect(facts.shards).toMatchObject([
      { name: "model.safetensors", tensorCount: 3, sizeBytes: SOUND_FILES["model.safetensors"]?.length },
    ]);
  });

  it("that is not there is one problem", async () => {
    const facts = await inspectSnapshot(join(await temporaryDirectory(), "gone"));
    expect(facts.problems).toEqual([{ kind: "directory-unreadable", detail: "ENOENT" }]);
  });

  it("ends with its caller's signal", async () => {
    const path = await writeSnapshot(await temporaryDirectory());
    await expect(inspectSnapshot(path, { signal: AbortSignal.abort(new Error("gone")) })).rejects.toThrow(
      "gone",
    );
  });
});

describe("a shard", () => {
  const numbered = (number: number, total: number) =>
    `model-${String(number).padStart(5, "0")}-of-${String(total).padStart(5, "0")}.safetensors`;

  it("is missing when the index names it and its tensors are nowhere", async () => {
    const map = {
      ...Object.fromEntries(Object.keys(SOUND_SHAPES).map((name) => [name, "model.safetensors"])),
      lost: "model-x.safetensors",
    };
    const problems = await problemsOf({
      "model.safetensors.index.json": json({ weight_map: map }),
      "model-x.safetensors.part": "half",
    });
    expect(problems).toEqual([
      {
        kind: "missing-shard",
        file: "model-x.safetensors",
        tensors: 1,
        named: "index",
        partial: "model-x.safetensors.part",
      },
      { kind: "partial-download", file: "model-x.safetensors.part" },
    ]);
  });

  it("is not missing when all it had is dropped while loading", async () => {
    const names = ["model.layers.2.mlp.weight", "mtp.head.weight", "model.layers.7.enorm.weight"];
    const present = Object.fromEntries(Object.keys(SOUND_SHAPES).map((name) => [name, "model.safetensors"]));
    const map = { ...present, ...Object.fromEntries(names.map((name) => [name, numbered(2, 2)])) };
    expect(await problemsOf({ "model.safetensors.index.json": json({ weight_map: map }) })).toEqual([]);
  });

  it("is missing by the numbers of the others where there is no index", async () => {
    const one = { "model.safetensors": null, [numbered(1, 3)]: shardBytes(sound) };
    const missing = (await problemsOf(one)).filter(({ kind }) => kind === "missing-shard");
    expect(missing.map((problem) => "file" in problem && problem.file)).toEqual([
      numbered(2, 3),
      numbered(3, 3),
    ]);
  });

  it("may claim any number of others without costing anything", async () => {
    const name = "model-00001-of-99999999999999999999.safetensors";
    expect(await problemsOf({ "model.safetensors": null, [name]: shardBytes(sound) })).not.toEqual([]);
  });

  it("is named once a thousand are, and the rest is counted: by numbers, over all series of names", async () => {
    const names = Array.from({ length: 5 }, (_, index) => `model-${index}-00001-of-00500.safetensors`);
    const files = Object.fromEntries(names.map((name) => [name, shardBytes(sound)]));
    const { problems } = await inspectSnapshot(
      await writeSnapshot(await temporaryDirectory(), { "model.safetensors": null, ...files }),
    );
    expect(problems.filter(({ kind }) => kind === "missing-shard")).toHaveLength(1_000);
    expect(problems).toContainEqual({
      kind: "more-missing-shards",
      named: "numbering",
      count: 5 * 499 - 1_000,
    });
  });

  it("is named once a thousand are, and the tensors of the rest are counted: by the index", async () => {
    const map = Object.fromEntries(
      Array.from({ length: 1_500 }, (_, index) => [`lost.${index}`, `model-${index}.safetensors`]),
    );
    const present = Object.fromEntries(Object.keys(SOUND_SHAPES).map((name) => [name, "model.safetensors"]));
    const problems = await problemsOf({
      "model.safetensors.index.json": json({ weight_map: { ...present, ...map } }),
    });
    expect(problems.filter(({ kind }) => kind === "missing-shard")).toHaveLength(1_000);
    expect(problems).toContainEqual({ kind: "more-missing-shards", named: "index", count: 500 });
  });

  it("is read through a link, and is missing behind a broken one", async () => {
    const root = await temporaryDirectory();
    const path = await writeSnapshot(root);
    await mkdir(join(root, "blobs"));
    await rename(join(path, "model.safetensors"), join(root, "blobs", "abc"));
    await symlink("../blobs/abc", join(path, "model.safetensors"));
    expect((await inspectSnapshot(path)).problems).toEqual([]);
    await symlink("../blobs/gone", join(path, "model-2.safetensors"));
    await symlink("model-3.safetensors", join(path, "model-3.safetensors"));
    expect((await inspectSnapshot(path)).problems).toEqual([
      { kind: "broken-link", file: "model-2.safetensors" },
      { kind: "broken-link", file: "model-3.safetensors" },
    ]);
  });

  it("that is a pipe, a device or a directory is not opened", async () => {
    const path = await writeSnapshot(await temporaryDirectory());
    execFileSync("mkfifo", [join(path, "model-pipe.safetensors")]);
    await symlink("/dev/zero", join(path, "model-zero.safetensors"));
    await mkdir(join(path, "model-room.safetensors"));
    const { problems } = await inspectSnapshot(path);
    expect(problems.map(({ kind }) => kind)).toEqual(["not-a-file", "not-a-file", "not-a-file"]);
  });

  it("that becomes a pipe after it was looked at holds no thread", async () => {
    const path = await writeSnapshot(await temporaryDirectory());
    const names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
    const files: FileAccess = {
      ...diskAccess,
      open: async (file) => {
        if (names.includes(basename(file)) && (await stat(file)).isFile()) {
          await rm(file);
          execFileSync("mkfifo", [file]);
        }
        return await diskAccess.open(file);
      },
    };
    const { problems } = await inspectSnapshot(path, { files });
    expect(problems.map((problem) => ("detail" in problem ? problem.detail : problem.kind))).toEqual([
      "not a regular file",
      "not a regular file",
      "not a regular file",
      "not a regular file",
      "chat-template-missing",
    ]);
  });

  it.each([
    ["config.json", ["config-unreadable", "special-file"]],
    ["vocab.json", ["special-file"]],
    ["merges.txt", ["special-file"]],
    ["special_tokens_map.json", ["special-file"]],
    ["notes.md", []],
  ])("and %s as a pipe are refused where a loader would wait for it", async (name, kinds) => {
    const path = await writeSnapshot(await temporaryDirectory(), name in SOUND_FILES ? { [name]: null } : {});
    execFileSync("mkfifo", [join(path, name)]);
    const { problems } = await inspectSnapshot(path);
    expect(problems.map(({ kind }) => kind)).toEqual(kinds);
  });

  it.each([
    ["empty", Buffer.alloc(0), "empty-file"],
    ["an LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), "lfs-pointer"],
    ["five bytes long", Buffer.alloc(5), "truncated"],
    ["of a header that is cut off", shardBytes(sound).subarray(0, 40), "truncated"],
    ["cut off in its data", shardBytes(headerOf({ other: [4] })).subarray(0, -1), "truncated"],
    ["of a header of no bytes", Buffer.alloc(16), "bad-header"],
    [
      "of a header beyond the format",
      Buffer.concat([Buffer.from("00e1f50500000000", "hex"), Buffer.alloc(9)]),
      "header-too-large",
    ],
  ])("that is %s says so", async (_, content, kind) => {
    const problems = await problemsOf({ "model-2.safetensors": content });
    expect(problems).toMatchObject([{ kind, file: "model-2.safetensors" }]);
  });

  const tensor = (changes: object) => ({ ...sound, [layer]: { ...sound[layer], ...changes } });
  const at = (begin: number, end: number): Entry["data_offsets"] => [begin, end];
  it.each([
    ["a list", "[]"],
    ["a number", "7"],
    ["a tensor that is null", json({ a: null })],
    ["a tensor that is a list", json({ a: [] })],
    ["no shape", json(tensor({ shape: undefined }))],
    ["no type", json(tensor({ dtype: undefined }))],
    ["an unknown type", json(tensor({ dtype: "f32" }))],
    ["negative offsets", json(tensor({ data_offsets: at(-64, 0) }))],
    ["offsets the wrong way round", json(tensor({ data_offsets: at(64, 0) }))],
    ["half a byte", json(tensor({ data_offsets: [0.5, 64.5] }))],
    ["offsets beyond numbers", `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e300]}}`],
    ["three offsets", json(tensor({ data_offsets: [0, 64, 65] }))],
    ["text for a length", json(tensor({ shape: ["4", 4] }))],
    ["a length beyond mlx", json(tensor({ shape: [2 ** 31] }))],
    ["metadata that is no text", json({ ...sound, __metadata__: { a: 1 } })],
    ["metadata with objects", json({ ...sound, __metadata__: { a: {} } })],
    ["bytes that are no JSON", "{ nonsense"],
  ])("whose header has %s is damaged", async (_, header) => {
    const [problem] = await problemsOf({ "model-2.safetensors": shardBytes(header) });
    expect(problem).toMatchObject({ kind: "bad-header", file: "model-2.safetensors" });
  });

  it("may have what mlx overlooks in its header", async () => {
    const header = json({ __metadata__: { format: "mlx" }, ...tensor({ note: { deep: [[1]] } }) });
    expect(await problemsOfHeader(`\ufeff${header}  \0\0`, 256)).toEqual([]);
    expect(await problemsOfHeader(json({ ...sound, __metadata__: null }), 256)).toEqual([]);
  });

  it("has every tensor in its own place", async () => {
    const moved = (begin: number, end: number) =>
      problemsOfHeader(tensor({ data_offsets: at(begin, end) }), 320);
    expect(await moved(190, 254)).toMatchObject([
      { kind: "overlap", tensors: ["model.layers.0.mlp.weight", layer] },
      { kind: "padding", bytes: 66 },
    ]);
    expect(await moved(192, 252)).toMatchObject([
      { kind: "wrong-size", tensor: layer, expectedBytes: 64, foundBytes: 60 },
      { kind: "padding" },
    ]);
    expect(await moved(256, 320)).toEqual([{ kind: "padding", file: "model.safetensors", bytes: 64 }]);
    expect(await moved(300, 364)).toMatchObject([{ kind: "truncated" }]);
  });

  it("shares no tensor with another, and the index tells which is a leftover", async () => {
    const map = Object.fromEntries(Object.keys(SOUND_SHAPES).map((name) => [name, "model.safetensors"]));
    const problems = await problemsOf({
      "model-old.safetensors": shardBytes(sound),
      "model.safetensors.index.json": json({ weight_map: map }),
    });
    expect(problems).toMatchObject([{ kind: "duplicate-tensor", count: 3, stray: "model-old.safetensors" }]);
  });

  it("of another layout is no shard of this model", async () => {
    expect(
      await problemsOf({ "consolidated.safetensors": shardBytes(sound), "adapters.safetensors": "x" }),
    ).toEqual([]);
    expect(
      await problemsOf({ "model.safetensors": null, "weights.gguf": "x", "training_args.bin": "x" }),
    ).toEqual([{ kind: "no-weights", foreign: ["weights.gguf"] }]);
  });
});

describe("the weights against each other and the config", () => {
  const header = (extra: Record<string, [string, number[]]>) => {
    let begin = 256;
    const entries = Object.entries(extra).map(([name, [dtype, shape]]) => {
      const size = shape.reduce((product, length) => product * length, dtype === "U8" ? 1 : 4);
      const entry = { dtype, shape, data_offsets: [begin, begin + size] };
      begin += size;
      return [name, entry];
    });
    return { ...sound, ...Object.fromEntries(entries) };
  };

  it.each<[string, Record<string, [string, number[]]>, string[]]>([
    ["an integer for a weight", { "a.weight": ["I32", [4]] }, ["dtype-mismatch"]],
    ["an integer for a bias", { "a.bias": ["I32", [4]] }, ["dtype-mismatch"]],
    ["an integer table", { "a.position_ids": ["I32", [4]] }, []],
    [
      "packed weights",
      { "a.weight": ["U32", [4, 8]], "a.scales": ["F32", [4, 1]], "a.biases": ["F32", [4, 1]] },
      [],
    ],
    ["packed weights with byte scales", { "a.weight": ["U32", [4, 4]], "a.scales": ["U8", [4, 1]] }, []],
    [
      "signed packed weights",
      { "a.weight": ["I32", [4, 8]], "a.scales": ["F32", [4, 1]] },
      ["dtype-mismatch"],
    ],
    [
      "a packing that cannot be",
      { "a.weight": ["U32", [4, 7]], "a.scales": ["F32", [4, 3]] },
      ["broken-packing"],
    ],
    ["rows that differ", { "a.weight": ["U32", [4, 8]], "a.scales": ["F32", [2, 1]] }, ["broken-packing"]],
    [
      "8-bit floats with their scales",
      { "a.weight": ["U8", [4, 8]], "a.weight_scale_inv": ["F32", [1]] },
      [],
    ],
  ])("%s", async (_, extra, kinds) => {
    expect((await problemsOfHeader(header(extra))).map(({ kind }) => kind)).toEqual(kinds);
  });

  it("believes the shapes over the config's general packing, not over a tensor's own", async () => {
    const packed = {
      "model.safetensors": shardBytes(header({ "a.weight": ["U32", [4, 8]], "a.scales": ["F32", [4, 1]] })),
    };
    const general = { bits: 8, group_size: 64 };
    expect(await problemsOf({ ...packed, ...config({ quantization: general }) })).toMatchObject([
      { kind: "packing-differs" },
    ]);
    expect(
      await problemsOf({
        ...packed,
        ...config({ quantization: { ...general, a: { bits: 4, group_size: 64 } } }),
      }),
    ).toEqual([]);
    expect(
      await problemsOf({ ...packed, ...config({ quantization: { ...general, a: general } }) }),
    ).toMatchObject([{ kind: "broken-packing" }]);
  });

  it("have the layers the config says", async () => {
    expect(await problemsOf(config({ num_hidden_layers: 3 }))).toEqual([
      { kind: "missing-layers", expected: 3, found: 2, first: 2 },
    ]);
    expect(await problemsOf(config({ num_hidden_layers: 1 }))).toEqual([
      { kind: "extra-layers", expected: 1, found: 2 },
    ]);
    expect(await problemsOf(config({ num_hidden_layers: 99, text_config: { n_layer: 2 } }))).toEqual([]);
    expect(await problemsOf(config({ num_hidden_layers: 4, num_layers: 2 }))).toEqual([]);
    expect(await problemsOf(config({ num_hidden_layers: 9, block_configs: [] }))).toEqual([]);
    expect(await problemsOf(config({ num_layers: 9, num_kv_reuse_layers: 7 }))).toEqual([]);
    expect(await problemsOf(config({ num_hidden_layers: 1, num_nextn_predict_layers: 1 }))).toEqual([]);
    expect(await problemsOf(config({ num_hidden_layers: 2 ** 53 }))).toEqual([]);
  });
});

describe("the vocabulary", () => {
  const tokenizer = (content: object) => ({ "tokenizer.json": json(content) });

  it("has every end token, or at least one", async () => {
    expect(await problemsOf(config({ eos_token_id: 8 }))).toEqual([
      { kind: "eos-beyond-vocabulary", ids: [8], rows: 8, isEvery: true },
    ]);
    expect(await problemsOf(config({ eos_token_id: [0, 8] }))).toMatchObject([{ isEvery: false }]);
    expect(await problemsOf({ "generation_config.json": json({ eos_token_id: [9] }) })).toMatchObject([
      { ids: [9] },
    ]);
    expect(await problemsOf({ "generation_config.json": json({ eos_token_id: [] }) })).toEqual([]);
  });

  it("is as large as the config says where that is more", async () => {
    expect(await problemsOf(config({ eos_token_id: 8, vocab_size: 9 }))).toEqual([]);
  });

  it("has a row for every id of the tokenizer, listed or mapped", async () => {
    expect(await problemsOf(tokenizer({ model: { vocab: { a: 0, b: 8 } } }))).toEqual([
      { kind: "tokenizer-beyond-embedding", largestId: 8, rows: 8, token: null },
    ]);
    const pieces = Array.from({ length: 9 }, (_, index) => [`p${index}`, -1.5]);
    expect(await problemsOf(tokenizer({ model: { vocab: pieces } }))).toMatchObject([{ largestId: 8 }]);
    expect(await problemsOf(tokenizer({ model: { vocab: pieces.slice(1), merges: [["a", "b"]] } }))).toEqual(
      [],
    );
  });

  it("may lack rows for added tokens that no text becomes", async () => {
    const content = {
      added_tokens: [{ id: 8, content: "<image>" }],
      model: { vocab: { a: 0, "<image>": 8 } },
    };
    expect(await problemsOf(tokenizer(content))).toEqual([
      { kind: "added-tokens-beyond-embedding", largestId: 8, rows: 8 },
    ]);
    const template = { "chat_template.jinja": "<image>{{ messages }}" };
    expect(await problemsOf({ ...tokenizer(content), ...template })).toMatchObject([
      { kind: "tokenizer-beyond-embedding", token: "<image>" },
    ]);
  });
});

describe("the small files", () => {
  it.each<[string, Changes, string[]]>([
    ["config.json missing", { "config.json": null }, ["config-missing"]],
    ["config.json cut off", { "config.json": '{"model_type": "lla' }, ["config-unreadable"]],
    [
      "config.json a pointer",
      { "config.json": "version https://git-lfs.github.com/spec/v1" },
      ["config-unreadable"],
    ],
    ["config.json a list", { "config.json": "[]" }, ["config-not-object"]],
    ["config.json with NaN", { "config.json": '{"model_type":"llama","limit":[NaN,Infinity]}' }, []],
    ["generation_config.json bad", { "generation_config.json": "{" }, ["generation-config-unreadable"]],
    ["the index bad", { "model.safetensors.index.json": "{" }, ["index-unreadable"]],
    ["tokenizer.json missing", { "tokenizer.json": null }, ["tokenizer-missing"]],
    ["another vocabulary", { "tokenizer.json": null, "tokenizer.model": "x" }, []],
    ["tokenizer.json without a model", { "tokenizer.json": "{}" }, ["tokenizer-unreadable"]],
    ["tokenizer.json cut off", { "tokenizer.json": '{"model": {"vocab"' }, ["tokenizer-unreadable"]],
    [
      "tokenizer_config.json bad",
      { "tokenizer_config.json": "[]" },
      ["tokenizer-unreadable", "chat-template-missing"],
    ],
    ["no template", { "tokenizer_config.json": "{}" }, ["chat-template-missing"]],
    [
      "a bad template of several",
      { "tokenizer_config.json": json({ chat_template: [{ name: "a", template: "{% if %}" }] }) },
      ["chat-template-bad"],
    ],
    [
      "a template file in the place of a bad one",
      { "tokenizer_config.json": json({ chat_template: "{{" }), "chat_template.jinja": "{{ messages }}" },
      [],
    ],
  ])("%s", async (_, changes, kinds) => {
    expect((await problemsOf(changes)).map(({ kind }) => kind)).toEqual(kinds);
  });

  it("that is a dangling link cannot be read", async () => {
    const path = await writeSnapshot(await temporaryDirectory(), { "config.json": null });
    await symlink("gone", join(path, "config.json"));
    const { problems } = await inspectSnapshot(path);
    expect(problems).toEqual([{ kind: "config-unreadable", detail: "a link that leads nowhere" }]);
  });

  it("finds the quantisation where mlx_lm does", async () => {
    const path = await writeSnapshot(
      await temporaryDirectory(),
      config({ text_config: { quantization_config: { quant_method: "a" } } }),
    );
    expect((await inspectSnapshot(path)).quantizationConfig).toEqual({ quant_method: "a" });
    await writeFile(join(path, "config.json"), json({ model_type: "llama" }));
    await writeFile(join(path, "hf_quant_config.json"), json({ quant_method: "b" }));
    expect((await inspectSnapshot(path)).quantizationConfig).toEqual({ quant_method: "b" });
  });
});
