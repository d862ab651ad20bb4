import { describe, expect, it } from "vitest";
import { ERRORS } from "../../../shared/errors.ts";
import { type AdmissionFacts, decideAdmission } from "../../../supervisor/policy/admission/admission.ts";
import { describeProblem } from "../../../supervisor/policy/admission/describe-problem.ts";
import type { SnapshotFacts, SnapshotProblem } from "../../../supervisor/policy/admission/snapshot-facts.ts";

const snapshot: SnapshotFacts = {
  config: { model_type: "llama" },
  quantizationConfig: undefined,
  shards: [],
  tensorCount: 3,
  weightBytes: 300,
  packing: { hasFp8: false, hasPackedIntegers: false, hasGroupIndex: false },
  foreignWeights: [],
  tokenizer: { className: "LlamaTokenizer", hasOwnCode: false, hasChatTemplate: true },
  problems: [],
};
const known = {
  kind: "known",
  modelType: "llama",
  module: "llama",
  missingFields: [],
  readsFp8: false,
} as const;
const glm = { ...known, modelType: "glm_moe_dsa", module: "glm_moe_dsa" };
const sound: AdmissionFacts = {
  modelId: "org/model",
  snapshot,
  architecture: known,
  needsTokenizerCode: false,
  runtime: { backend: "mlx-lm", backendVersion: "0.32.2", mlxVersion: "0.32.4", platform: "darwin" },
  lastOutcome: null,
  allowUnsupportedRuntime: false,
  trustsCode: false,
};

const decide = (changes: Partial<AdmissionFacts> = {}) => decideAdmission({ ...sound, ...changes });
const withProblems = (...problems: SnapshotProblem[]) => decide({ snapshot: { ...snapshot, problems } });
const check = (verdict: ReturnType<typeof decide>, name: string) =>
  verdict.checks.find((entry) => entry.name === name);

describe("an admission", () => {
  it("of a sound model passes every check", () => {
    const verdict = decide();
    expect(verdict).toMatchObject({ verdict: "admit", code: null, overridden: [] });
    expect(verdict.checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "config pass",
      "architecture pass",
      "runtime pass",
      "quantization pass",
      "weights pass",
      "tokenizer pass",
      "chat template pass",
    ]);
  });

  it("is refused for damage, names it and the command that repairs it", () => {
    const verdict = withProblems({
      kind: "truncated",
      file: "model.safetensors",
      expectedBytes: 10,
      foundBytes: 7,
    });
    expect(verdict).toMatchObject({ verdict: "refuse", code: "model_incomplete" });
    expect(check(verdict, "weights")).toEqual({
      name: "weights",
      status: "fail",
      detail: "model.safetensors is cut off: expected 10 bytes, found 7",
      expected: null,
      next_step: "fetch the damaged files again with: lmx repair org/model",
    });
  });

  it("is not refused for what only looks like damage", () => {
    const verdict = withProblems(
      { kind: "padding", file: "a", bytes: 1 },
      { kind: "index-stale", detail: "old" },
      { kind: "chat-template-missing" },
      { kind: "partial-download", file: "b.part" },
      { kind: "eos-beyond-vocabulary", ids: [9], rows: 8, isEvery: false },
    );
    expect(verdict).toMatchObject({ verdict: "admit", code: null });
    expect(verdict.checks.filter(({ status }) => status === "warn").map(({ name }) => name)).toEqual([
      "weights",
      "index",
      "tokenizer",
      "chat template",
      "download",
    ]);
  });

  it("names five problems of a kind and counts the rest, refusing ones first", () => {
    const missing = Array.from(
      { length: 90 },
      (_, index): SnapshotProblem => ({ kind: "empty-file", file: `s${index}` }),
    );
    const verdict = withProblems({ kind: "padding", file: "p", bytes: 1 }, ...missing);
    expect(check(verdict, "weights")?.detail).toMatch(/^s0 is empty; .*s4 is empty; and 86 more$/);
  });

  it("is a matter of the backend when the weights are of another one", () => {
    const problems: SnapshotProblem[] = [
      { kind: "config-missing" },
      { kind: "no-weights", foreign: ["a.gguf"] },
    ];
    const verdict = decide({ snapshot: { ...snapshot, config: null, problems }, architecture: null });
    expect(verdict.code).toBe("model_unsupported_backend");
    expect(verdict.checks[0]).toMatchObject({ name: "backend", status: "fail" });
    expect(withProblems({ kind: "no-weights", foreign: [] }).code).toBe("model_incomplete");
  });

  it("has the code of an architecture no repair can mend before that of damage one can", () => {
    const problems: SnapshotProblem[] = [{ kind: "empty-file", file: "a" }];
    const architecture = {
      kind: "unknown",
      modelType: "glm5_moe",
      near: ["glm4_moe", "glm_moe_dsa"],
    } as const;
    const verdict = decide({ architecture, snapshot: { ...snapshot, problems } });
    expect(verdict.code).toBe("model_unsupported_arch");
    expect(check(verdict, "architecture")?.detail).toBe(
      "glm5_moe is not in mlx-lm 0.32.2; glm4_moe, glm_moe_dsa are",
    );
    expect(check(verdict, "weights")?.status).toBe("fail");
  });

  it.each([
    [{ ...known, missingFields: ["hidden_size"] }, "model_incomplete"],
    [{ kind: "no-model-type" }, "model_incomplete"],
    [{ kind: "bad-model-type", found: "7" }, "model_incomplete"],
    [{ kind: "helper", modelType: "base", near: [] }, "model_unsupported_arch"],
    [{ kind: "needs-package", modelType: "olmo", package: "hf_olmo" }, "model_unsupported_arch"],
  ] as const)("of the architecture %j is refused with %s", (architecture, code) => {
    expect(decide({ architecture }).code).toBe(code);
  });

  it("runs no code of the model's own unless exactly this model is trusted", () => {
    const own = {
      snapshot: { ...snapshot, config: { model_type: "own", model_file: "own.py" } },
      architecture: { kind: "unknown", modelType: "own", near: [] } as const,
    };
    expect(decide(own).code).toBe("model_unsupported_arch");
    const trusted = decide({ ...own, trustsCode: true });
    expect(trusted.verdict).toBe("admit");
    expect(check(trusted, "own code")).toMatchObject({ status: "warn" });
    expect(decide({ needsTokenizerCode: true }).code).toBe("model_unsupported_arch");
    expect(decide({ needsTokenizerCode: true, trustsCode: true }).verdict).toBe("admit");
  });

  it("does not take trust in its code for an architecture the runtime has", () => {
    const architecture = { kind: "unknown", modelType: "own", near: [] } as const;
    expect(decide({ architecture, trustsCode: true }).code).toBe("model_unsupported_arch");
  });

  it("refuses quantisations by what is wrong with them", () => {
    const of = (quantization: string | object) =>
      decide({ snapshot: { ...snapshot, config: { quantization: quantization as string } } });
    expect(of("4bit").code).toBe("model_incomplete");
    expect(decide({ snapshot: { ...snapshot, quantizationConfig: { quant_method: "aqlm" } } }).code).toBe(
      "model_unsupported_backend",
    );
  });
});

describe("the runtime gate", () => {
  it("keeps glm_moe_dsa out and says why", () => {
    const verdict = decide({ architecture: glm });
    expect(verdict).toMatchObject({ verdict: "refuse", code: "model_unsupported_backend" });
    expect(check(verdict, "runtime")?.next_step).toContain("allow_unsupported_runtime");
  });

  it("opens for this model on this runtime once it has passed, and stays shut when it failed", () => {
    expect(decide({ architecture: glm, lastOutcome: "pass" })).toMatchObject({
      verdict: "admit",
      overridden: [],
    });
    expect(decide({ architecture: glm, lastOutcome: "fail" }).code).toBe("model_unsupported_backend");
    expect(decide({ architecture: glm, lastOutcome: "drift" }).code).toBe("model_unsupported_backend");
  });

  it("lets the operator past, with a warning to be audited", () => {
    const verdict = decide({ architecture: glm, allowUnsupportedRuntime: true, lastOutcome: "fail" });
    expect(verdict).toMatchObject({ verdict: "admit", overridden: ["runtime"] });
    expect(check(verdict, "runtime")?.status).toBe("warn");
  });

  it("never refuses for a failure what is not on the list", () => {
    expect(decide({ lastOutcome: "fail" }).verdict).toBe("admit");
  });

  it("lets nobody past what cannot work", () => {
    const problems: SnapshotProblem[] = [{ kind: "empty-file", file: "a" }];
    expect(decide({ allowUnsupportedRuntime: true, snapshot: { ...snapshot, problems } }).verdict).toBe(
      "refuse",
    );
  });

  it("covers the versions of its entries, by type or by module", () => {
    const entry = { signature: "llama", backend: "mlx-lm", versions: "<0.33", reason: "r", evidence: "e" };
    expect(decide({ blocklist: [entry] }).verdict).toBe("refuse");
    expect(decide({ blocklist: [{ ...entry, versions: ">=0.33" }] }).verdict).toBe("admit");
    expect(decide({ blocklist: [{ ...entry, backend: "other" }] }).verdict).toBe("admit");
    expect(decide({ blocklist: [{ ...entry, versions: "nonsense" }] }).verdict).toBe("refuse");
    expect(decide({ blocklist: [entry], architecture: { ...known, modelType: "mistral" } }).verdict).toBe(
      "refuse",
    );
  });

  it("heeds advisories by their level", () => {
    const advisory = { id: "x", package: "mlx", range: "==0.32.4", summary: "s", source: "u" } as const;
    const warned = decide({ advisories: [{ ...advisory, level: "warn" }] });
    expect(warned.verdict).toBe("admit");
    expect(check(warned, "advisory x")).toMatchObject({ status: "warn", detail: "s (mlx ==0.32.4; u)" });
    const refusing = [{ ...advisory, level: "refuse" as const }];
    expect(decide({ advisories: refusing }).code).toBe("model_unsupported_backend");
    expect(decide({ advisories: refusing, allowUnsupportedRuntime: true }).overridden).toEqual([
      "advisory x",
    ]);
  });

  it("answers with codes of the table that no client retries", () => {
    for (const code of ["model_incomplete", "model_unsupported_arch", "model_unsupported_backend"] as const)
      expect(ERRORS[code].retryable).toBe(false);
  });
});

describe("a problem in words", () => {
  it("says what of the weights is lost, and where a download stopped", () => {
    const problem = {
      kind: "missing-shard",
      file: "b",
      named: "index",
      tensors: 7,
      partial: "b.part",
    } as const;
    expect(describeProblem(problem)).toBe(
      "b, named by the index, is missing, and the 7 tensors in it; its download stopped at b.part",
    );
  });

  it("says how much more is missing than is named", () => {
    const more = { kind: "more-missing-shards", count: 7 } as const;
    expect(describeProblem({ ...more, named: "index" })).toBe(
      "7 more tensors of the index are in files that are missing",
    );
    expect(describeProblem({ ...more, named: "numbering" })).toBe(
      "7 more files, named by the numbers of the others, are missing",
    );
  });

  it("keeps long lists short", () => {
    expect(describeProblem({ kind: "no-weights", foreign: ["1", "2", "3", "4", "5", "6"] })).toContain(
      "1, 2, 3, 4 and 2 more",
    );
  });
});
