import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { AdmissionVerdict } from "../../supervisor/policy/admission.ts";
import { askOracle, buildCorpus, type Corpus, type DamagedModel, judge, type Truth } from "./corpus.ts";
import { EXCEPTIONS, EXPECTED, NEEDS_INSPECT, SILENT } from "./expectations.ts";

interface Judged {
  readonly model: DamagedModel;
  readonly verdict: AdmissionVerdict;
  readonly truth: Truth;
}

describe("admission without Python, against mlx_lm itself", () => {
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
    judged = [];
    for (const [index, model] of corpus.models.entries())
      judged.push({ model, verdict: await judge(corpus, model), truth: truths[index]! });
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
      .map(({ model, verdict }) => ({ ...model, code: verdict.code, expected: expectedCode(model) }))
      .filter(({ code, expected }) => code !== expected);
    expect(wrong).toEqual([]);
  });

  it("admits only what mlx_lm loads and renders, but for what the strict load is there to find", () => {
    const falseAdmits = judged.filter(({ verdict, truth }) => verdict.verdict === "admit" && !truth.works);
    expect(unexplained(falseAdmits, NEEDS_INSPECT)).toEqual([]);
    expect(staleExplanations(falseAdmits, NEEDS_INSPECT)).toEqual([]);
  });

  it("refuses only what mlx_lm refuses, but for what it would load without a word and get wrong", () => {
    const falseRefusals = judged.filter(({ verdict, truth }) => verdict.verdict === "refuse" && truth.works);
    expect(unexplained(falseRefusals, SILENT)).toEqual([]);
    expect(staleExplanations(falseRefusals, SILENT)).toEqual([]);
  });

  it("names what it found and what to do next in every refusal", () => {
    const mute = judged.filter(({ verdict }) =>
      verdict.checks.some(
        ({ status, detail }) => status === "fail" && !/lmx repair|convert|trust|runtime|newer/.test(detail),
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
