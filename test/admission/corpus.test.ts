import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { AdmissionVerdict } from "../../supervisor/policy/admission/admission.ts";
import {
  askInspection,
  askOracle,
  buildCorpus,
  type Corpus,
  type DamagedModel,
  judge,
  type Truth,
} from "./corpus.ts";
import { EXCEPTIONS, EXPECTED, NEEDS_INSPECT, SILENT } from "./expectations.ts";

interface Judged {
  readonly model: DamagedModel;
  readonly verdict: AdmissionVerdict;
  /** Of the whole admission: the files first, then the structure of what they admit. */
  readonly code: string | null;
  readonly truth: Truth;
}

describe("admission against mlx_lm itself", () => {
  let directory: string;
  let corpus: Corpus;
  let judged: Judged[];

  beforeAll(async () => {
    const python = inject("python");
    directory = await mkdtemp(join(tmpdir(), "lmx-corpus-"));
    corpus = await buildCorpus(python, directory);
    const truths = await askOracle(
      python,
      corpus.models.map(({ path }) => path),
    );
    const verdicts: AdmissionVerdict[] = [];
    for (const model of corpus.models) verdicts.push(await judge(corpus, model));
    const admitted = corpus.models.filter((_, index) => verdicts[index]!.verdict === "admit");
    const inspected = await askInspection(
      python,
      admitted.map(({ path }) => path),
    );
    const structure = new Map(admitted.map(({ path }, index) => [path, inspected[index]!]));
    judged = corpus.models.map((model, index) => {
      const verdict = verdicts[index]!;
      return {
        model,
        verdict,
        code: verdict.code ?? structure.get(model.path) ?? null,
        truth: truths[index]!,
      };
    });
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("covers twelve architectures and every damage of the table, and no other", () => {
    const archs = new Set(corpus.models.map(({ arch }) => arch));
    const damages = new Set(corpus.models.map(({ damage }) => damage));
    expect(archs.size).toBeGreaterThanOrEqual(12);
    expect([...damages].toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
  });

  it("gives every damaged model its exact code", () => {
    const wrong = judged
      .map(({ model, code }) => ({ ...model, code, expected: expectedCode(model) }))
      .filter(({ code, expected }) => code !== expected);
    expect(wrong).toEqual([]);
  });

  it("admits nothing that mlx_lm cannot load and render", () => {
    const falseAdmits = judged.filter(({ code, truth }) => code === null && !truth.works);
    expect(falseAdmits).toEqual([]);
  });

  it("refuses only what mlx_lm refuses, but for what it would load without a word and get wrong", () => {
    const falseRefusals = judged.filter(({ code, truth }) => code !== null && truth.works);
    expect(unexplained(falseRefusals, SILENT)).toEqual([]);
    expect(staleExplanations(falseRefusals, SILENT)).toEqual([]);
  });

  it("leaves to the structure only what no file tells", () => {
    const byStructure = judged.filter(({ code, verdict }) => code !== null && verdict.code === null);
    expect(unexplained(byStructure, NEEDS_INSPECT)).toEqual([]);
    expect(staleExplanations(byStructure, NEEDS_INSPECT)).toEqual([]);
  });

  it("names what it found and what to do next in every refusal", () => {
    const mute = judged.filter(({ verdict }) =>
      verdict.checks.some(
        ({ status, next_step }) =>
          status === "fail" && !/lmx repair|convert|trust|runtime|newer/.test(next_step ?? ""),
      ),
    );
    expect(mute.map(({ model }) => model)).toEqual([]);
  });

  it("blocks glm_moe_dsa by its default list, and goes past it when told to", async () => {
    const model = corpus.models.find(({ arch, damage }) => arch === "glm_moe_dsa" && damage === "sound")!;
    const blocked = await judge(corpus, model, { allowUnsupportedRuntime: false });
    expect(blocked).toMatchObject({ verdict: "refuse", code: "model_unsupported_backend" });
    expect(await judge(corpus, model)).toMatchObject({ verdict: "admit", overridden: ["runtime"] });
  });
});

function expectedCode({ arch, damage }: DamagedModel) {
  const exception = EXCEPTIONS[damage];
  return exception?.archs.includes(arch) ? exception.code : EXPECTED[damage];
}

/** Disagreements with mlx_lm for which no reason is written down. */
function unexplained(disagreements: readonly Judged[], reasons: Readonly<Record<string, string>>) {
  return disagreements
    .filter(({ model }) => reasons[model.damage] === undefined)
    .map(({ model, verdict, truth }) => ({ ...model, checks: verdict.checks, truth }));
}

/** Reasons for disagreements that no longer exist. */
function staleExplanations(disagreements: readonly Judged[], reasons: Readonly<Record<string, string>>) {
  const seen = new Set(disagreements.map(({ model }) => model.damage));
  return Object.keys(reasons).filter((damage) => !seen.has(damage));
}
