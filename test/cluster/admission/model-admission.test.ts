import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { configSchema, modelSettingsSchema } from "../../../shared/config.ts";
import type { ModelStructure } from "../../../shared/worker-protocol.ts";
import type { LoadHistory, ModelHistory } from "../../../supervisor/cluster/admission/load-history.ts";
import type { MemoryAnswer, MemoryQuestion } from "../../../supervisor/cluster/admission/memory-admission.ts";
import {
  type AdmissionPorts,
  type AdmissionRuntime,
  ModelAdmission,
} from "../../../supervisor/cluster/admission/model-admission.ts";
import type { CatalogueEntry } from "../../../supervisor/models/catalogue-entry.ts";
import { NO_OVERRIDES } from "../../../supervisor/policy/lifecycle/model-state.ts";
import type { Inspection } from "../../../supervisor/workers/inspect-worker.ts";
import { safetensors, writeModel } from "../../models/model-directory.ts";
import { ENTRY } from "../../support/fake-cluster-parts.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const PACKAGE = {
  "_version.py": '__version__ = "0.32.2"\n',
  "utils.py": "MODEL_REMAPPING = {\n}\n",
  "models/llama.py":
    "class ModelArgs(BaseModelArgs):\n    model_type: str\n\n\nclass Model(nn.Module):\n    pass\n",
  "models/glm_moe_dsa.py":
    "class ModelArgs(BaseModelArgs):\n    model_type: str\n\n\nclass Model(nn.Module):\n    pass\n",
};
const STRUCTURE: ModelStructure = {
  context_tokens: 100,
  parameters: 8,
  weights_bytes: 16,
  caches: [],
  prefill_bytes: 1,
};
const FITS: MemoryAnswer = {
  check: { name: "memory", status: "pass", detail: "fits", expected: null, next_step: null },
  memory: { weights_bytes: 16, kv_bytes_per_token: 0, required_bytes: 20, available_bytes: 99 },
  cacheBudgetBytes: 7,
};
const NEW: ModelHistory = { lastOutcome: null, hasPassed: false, structure: null, peakBytes: null };

let root: string;
let packageDirectory: string;

beforeEach(async () => {
  root = await temporaryDirectory();
  packageDirectory = join(root, "site-packages", "mlx_lm");
  for (const [name, content] of Object.entries(PACKAGE)) {
    await mkdir(dirname(join(packageDirectory, name)), { recursive: true });
    await writeFile(join(packageDirectory, name), content);
  }
});

/** An admission over fakes: what it asked, in order, is recorded. */
function admitting(ports: Partial<AdmissionPorts> = {}) {
  const asked: string[] = [];
  const questions: MemoryQuestion[] = [];
  const world = {
    history: NEW,
    memory: FITS,
    inspection: { kind: "structure", structure: STRUCTURE } as Inspection,
    versions: { mlx_lm: "0.32.2", mlx: "0.32.4" },
    settings: modelSettingsSchema.parse({}),
  };
  const admission = new ModelAdmission({
    safeMode: () => null,
    runtime: async (): Promise<AdmissionRuntime> => ({ versions: world.versions, packageDirectory }),
    inspect: async () => {
      asked.push("inspect");
      return world.inspection;
    },
    memory: {
      ask: async (question) => {
        asked.push("memory");
        questions.push(question);
        return world.memory;
      },
      release: (id) => void asked.push(`release ${id}`),
    },
    record: { history: () => world.history } as Partial<LoadHistory> as LoadHistory,
    settings: () => world.settings,
    config: configSchema.parse({}),
    ...ports,
  });
  const examine = (
    entry: CatalogueEntry,
    { overrides = NO_OVERRIDES, dryRun = false, signal = new AbortController().signal } = {},
  ) => admission.examine(entry, { overrides, dryRun, signal });
  return { admission, asked, questions, world, examine };
}

/** Files that nothing is wrong with. */
async function model(config?: object): Promise<CatalogueEntry> {
  const path = await writeModel(root, "m", config);
  const vocabulary = { "<unk>": 0 };
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    model: { type: "BPE", vocab: vocabulary, merges: [] },
  };
  await writeFile(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
  const header = { w: { dtype: "F16", shape: [8], data_offsets: [0, 16] } };
  await writeFile(join(path, "model.safetensors"), safetensors(header, 16));
  return { ...ENTRY, path };
}
const statuses = (checks: readonly { name: string; status: string }[]) =>
  checks.filter(({ status }) => status === "fail").map(({ name }) => name);

describe("the admission of a model", () => {
  it("looks at files, then at structure, then at memory, and tells a load what it needs", async () => {
    const { examine, asked, questions } = admitting();
    const report = await examine(await model());
    expect(report).toMatchObject({
      result: { model_id: "m", verdict: "admit", code: null, memory: FITS.memory },
      failure: null,
      overridden: [],
      structure: STRUCTURE,
      cacheBudgetBytes: 7,
    });
    expect(statuses(report.result.checks)).toEqual([]);
    expect(report.result.checks.map(({ name }) => name).slice(-2)).toEqual(["structure", "memory"]);
    expect(asked).toEqual(["inspect", "memory"]);
    expect(questions[0]).toMatchObject({ modelId: "m", structure: STRUCTURE, dryRun: false });
  });

  it("starts no process and sets nothing aside for damaged files, which are a verdict on the model", async () => {
    const { examine, asked } = admitting();
    const entry = await model();
    await writeFile(join(entry.path, "model.safetensors"), "cut");
    const { result, failure, structure, cacheBudgetBytes } = await examine(entry);
    expect(result).toMatchObject({ verdict: "refuse", code: "model_incomplete" });
    expect(failure).toMatchObject({
      class: "deterministic",
      reason: { code: "model_incomplete", cause: "weights", message: expect.stringContaining("weights: ") },
      details: { checks: result.checks, memory: result.memory },
    });
    expect([structure, cacheBudgetBytes]).toEqual([null, null]);
    expect(asked).toEqual([]);
  });

  it("looks at the files anew each time: mended under the same digest the model is admitted", async () => {
    const { examine } = admitting();
    const entry = await model();
    const file = join(entry.path, "model.safetensors");
    const sound = await readFile(file);
    await writeFile(file, Buffer.alloc(sound.length));
    expect((await examine(entry)).result.code).toBe("model_incomplete");
    await writeFile(file, sound);
    expect((await examine(entry)).failure).toBeNull();
    await writeFile(file, Buffer.alloc(sound.length));
    expect((await examine(entry)).result.code).toBe("model_incomplete");
  });

  it("refuses an architecture the runtime does not know, before anything is started", async () => {
    const { examine, asked } = admitting();
    const { failure } = await examine(await model({ model_type: "frobnicate" }));
    expect(failure).toMatchObject({
      class: "deterministic",
      reason: { code: "model_unsupported_arch", cause: "architecture" },
    });
    expect(asked).toEqual([]);
  });

  it("refuses what is blocked on this runtime, and admits it on an operator's word, which it names", async () => {
    const { examine } = admitting();
    const entry = await model({ model_type: "glm_moe_dsa" });
    expect((await examine(entry)).failure?.class).toBe("deterministic");
    const report = await examine(entry, { overrides: { unsupportedRuntime: true, safeMode: false } });
    expect(report.failure).toBeNull();
    expect(report.overridden).toEqual(["runtime"]);
  });

  it("keeps the reason of a structure that was refused, and sets nothing aside", async () => {
    const { examine, asked, world } = admitting();
    const reason = { code: "model_incomplete", cause: "model_invalid", message: "Missing 3 parameters" };
    world.inspection = { kind: "refused", failure: { class: "deterministic", reason } };
    const { result, failure, structure } = await examine(await model());
    expect(failure).toMatchObject({ class: "deterministic", reason });
    expect(result).toMatchObject({ verdict: "refuse", code: "model_incomplete" });
    expect(statuses(result.checks)).toEqual(["structure"]);
    expect(structure).toBeNull();
    expect(asked).toEqual(["inspect"]);
  });

  it("for which there is no memory says nothing about the model and may be asked again", async () => {
    const { examine, world } = admitting();
    const refused = { name: "memory", status: "fail", detail: "needs 9 GiB" } as const;
    world.memory = { ...FITS, check: { ...FITS.check, ...refused }, cacheBudgetBytes: null };
    const entry = await model();
    expect((await examine(entry)).failure).toMatchObject({
      class: "environment",
      reason: { code: "insufficient_memory", cause: "memory", message: expect.stringContaining("9 GiB") },
      details: { memory: FITS.memory },
    });
    world.memory = FITS;
    expect((await examine(entry)).failure).toBeNull();
  });

  it("only looks in a dry run, and passes that on", async () => {
    const { examine, questions } = admitting();
    await examine(await model(), { dryRun: true });
    expect(questions[0]?.dryRun).toBe(true);
  });

  it("gives back what it set aside", () => {
    const { admission, asked } = admitting();
    admission.release("m");
    expect(asked).toEqual(["release m"]);
  });
});

describe("the structure of a model", () => {
  it("is looked at once for the same files, runtime and settings", async () => {
    const { examine, asked, world } = admitting();
    const entry = await model();
    const looks = () => asked.filter((word) => word === "inspect").length;
    await examine(entry);
    await examine(entry);
    expect(looks()).toBe(1);
    await examine({ ...entry, digest: "d2" });
    expect(looks()).toBe(2);
    world.versions = { ...world.versions, mlx: "0.33.0" };
    await examine({ ...entry, digest: "d2" });
    expect(looks()).toBe(3);
    world.settings = modelSettingsSchema.parse({ context_tokens: 2_048 });
    await examine({ ...entry, digest: "d2" });
    expect(looks()).toBe(4);
  });

  it("is looked at each time when the files have no digest, or it was refused", async () => {
    const { examine, asked, world } = admitting();
    const entry = await model();
    await examine({ ...entry, digest: null });
    await examine({ ...entry, digest: null });
    expect(asked.filter((word) => word === "inspect")).toHaveLength(2);
    const reason = { code: "insufficient_memory", cause: "killed_external", message: "killed" };
    world.inspection = { kind: "refused", failure: { class: "environment", reason } };
    await examine(entry);
    await examine(entry);
    expect(asked.filter((word) => word === "inspect")).toHaveLength(4);
  });

  it("is not looked at when this key has passed before; what it took then goes to the memory's question", async () => {
    const { examine, asked, questions, world } = admitting();
    world.history = { lastOutcome: "pass", hasPassed: true, structure: STRUCTURE, peakBytes: 123 };
    const { result } = await examine(await model());
    expect(asked).toEqual(["memory"]);
    expect(questions[0]).toMatchObject({ structure: STRUCTURE, measuredPeakBytes: 123 });
    expect(result.checks.find(({ name }) => name === "structure")?.detail).toContain("has passed");
  });

  it.each([
    ["a cap that was taken away", 2_048, undefined, "inspect"],
    ["a cap that was raised", 2_048, 4_096, "inspect"],
    ["a cap that was lowered", 2_048, 1_024, "proven"],
    ["the cap it passed with", 2_048, 2_048, "proven"],
    ["no cap, as before", 8_192, undefined, "proven"],
    ["a cap beyond the model's own length", 8_192, 100_000, "proven"],
  ] as const)("that has passed, under %s (%s, then %s): %s", async (_, passedWith, context_tokens, from) => {
    const { examine, questions, world } = admitting();
    const structure = { ...STRUCTURE, context_tokens: passedWith };
    world.history = { lastOutcome: "pass", hasPassed: true, structure, peakBytes: 123 };
    world.settings = modelSettingsSchema.parse(context_tokens === undefined ? {} : { context_tokens });
    const looked = { ...STRUCTURE, context_tokens: 8_192 };
    world.inspection = { kind: "structure", structure: looked };
    const { result } = await examine({ ...(await model()), contextLength: 8_192 });
    expect(questions[0]?.structure).toEqual(from === "proven" ? structure : looked);
    const detail = result.checks.find(({ name }) => name === "structure")?.detail;
    expect(detail?.includes("has passed")).toBe(from === "proven");
  });

  it("is looked at when the config names no length and nobody set a cap: which one it passed with is not known", async () => {
    const { examine, asked, world } = admitting();
    world.history = { lastOutcome: "pass", hasPassed: true, structure: STRUCTURE, peakBytes: 123 };
    await examine({ ...(await model()), contextLength: null });
    expect(asked).toEqual(["inspect", "memory"]);
  });

  it("is looked at for one model at a time: each look takes a process", async () => {
    const first = Promise.withResolvers<Inspection>();
    let running = 0;
    let most = 0;
    const inspect: AdmissionPorts["inspect"] = async () => {
      running += 1;
      most = Math.max(most, running);
      const answer = await first.promise;
      running -= 1;
      return answer;
    };
    const { examine } = admitting({ inspect });
    const entry = await model();
    const work = ["a", "b", "c"].map((id) => examine({ ...entry, id }));
    first.resolve({ kind: "structure", structure: STRUCTURE });
    await Promise.all(work);
    expect(most).toBe(1);
  });
});

describe("safe mode", () => {
  it("refuses a load before anything is looked at, and an operator may go past it", async () => {
    const { examine, asked } = admitting({ safeMode: () => "The last 3 starts ended badly" });
    const entry = await model();
    await expect(examine(entry)).rejects.toMatchObject({
      code: "safe_mode",
      message: expect.stringMatching(/The last 3 starts ended badly.*--override-safe-mode/),
    });
    expect(asked).toEqual([]);
    const report = await examine(entry, { overrides: { unsupportedRuntime: false, safeMode: true } });
    expect(report.failure).toBeNull();
  });
});

it("there is no admission without a Python runtime", async () => {
  const { examine } = admitting({
    runtime: async () => {
      throw new Error("no wheel for this machine");
    },
  });
  await expect(examine(await model())).rejects.toMatchObject({
    code: "worker_runtime_broken",
    message: expect.stringContaining("no wheel for this machine"),
  });
});

describe("an admission that is called off", () => {
  it("throws the reason instead of an answer", async () => {
    const { examine } = admitting();
    const signal = AbortSignal.abort(new Error("unloaded meanwhile"));
    await expect(examine(await model(), { signal })).rejects.toThrow("unloaded meanwhile");
  });

  it("does not wait for the looks at other models before it", async () => {
    const other = Promise.withResolvers<Inspection>();
    const { examine } = admitting({ inspect: () => other.promise });
    const entry = await model();
    const first = examine({ ...entry, id: "a" });
    const abort = new AbortController();
    const second = examine({ ...entry, id: "b" }, { signal: abort.signal });
    const fate = second.then(
      () => "answered",
      (error: Error) => error.message,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    abort.abort(new Error("unloaded meanwhile"));
    const late = new Promise<string>((resolve) => setTimeout(() => resolve("still waits"), 50));
    expect(await Promise.race([fate, late])).toBe("unloaded meanwhile");
    other.resolve({ kind: "structure", structure: STRUCTURE });
    await first;
  });
});
