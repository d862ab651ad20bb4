import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { configSchema } from "../shared/config.ts";
import type { ErrorCode } from "../shared/errors.ts";
import { type AdmissionFacts, decideAdmission } from "../supervisor/policy/admission/admission.ts";
import type { ArchitectureFinding } from "../supervisor/policy/admission/architecture-finding.ts";
import { judgeProblem } from "../supervisor/policy/admission/judge-problem.ts";
import type {
  ProblemKind,
  SnapshotFacts,
  SnapshotProblem,
} from "../supervisor/policy/admission/snapshot-facts.ts";
import { classifyAnswer, classifyTimeout } from "../supervisor/policy/diagnosis/failure.ts";
import { judgeInspectExit } from "../supervisor/policy/diagnosis/inspect-exit.ts";

const PAGE = new URL("../docs/admission.md", import.meta.url);

/** The compiler asks for every kind. */
const PROBLEMS: Readonly<Record<ProblemKind, true>> = {
  "directory-unreadable": true,
  "too-many-files": true,
  "special-file": true,
  "config-missing": true,
  "config-unreadable": true,
  "config-not-object": true,
  "generation-config-unreadable": true,
  "no-weights": true,
  "missing-shard": true,
  "more-missing-shards": true,
  "broken-link": true,
  "not-a-file": true,
  "unreadable-file": true,
  "empty-file": true,
  "lfs-pointer": true,
  truncated: true,
  "bad-header": true,
  "header-too-large": true,
  "too-many-tensors": true,
  "wrong-size": true,
  overlap: true,
  padding: true,
  "duplicate-tensor": true,
  "unsupported-dtype": true,
  "dtype-mismatch": true,
  "partial-download": true,
  "index-unreadable": true,
  "index-stale": true,
  "index-names-unknown-tensors": true,
  "missing-layers": true,
  "extra-layers": true,
  "broken-packing": true,
  "packing-differs": true,
  "tokenizer-missing": true,
  "tokenizer-unreadable": true,
  "chat-template-missing": true,
  "chat-template-bad": true,
  "eos-beyond-vocabulary": true,
  "tokenizer-beyond-embedding": true,
  "added-tokens-beyond-embedding": true,
};

const known: ArchitectureFinding = {
  kind: "known",
  modelType: "llama",
  module: "llama",
  missingFields: [],
  readsFp8: false,
};
const ARCHITECTURES: Readonly<Record<ArchitectureFinding["kind"], ArchitectureFinding>> = {
  known: { ...known, missingFields: ["hidden_size"] },
  unknown: { kind: "unknown", modelType: "llama9", near: [] },
  helper: { kind: "helper", modelType: "base", near: [] },
  "needs-package": { kind: "needs-package", modelType: "olmo", package: "hf_olmo" },
  "bad-model-type": { kind: "bad-model-type", found: "5" },
  "no-model-type": { kind: "no-model-type" },
};

const snapshot: SnapshotFacts = {
  config: { model_type: "llama" },
  quantizationConfig: undefined,
  shards: [],
  tensorCount: 0,
  weightBytes: 0,
  packing: { hasFp8: false, hasPackedIntegers: false, hasGroupIndex: false },
  foreignWeights: [],
  tokenizer: { className: null, hasOwnCode: false, hasChatTemplate: true },
  problems: [],
};
const sound: AdmissionFacts = {
  modelId: "org/model",
  snapshot,
  architecture: known,
  needsTokenizerCode: false,
  runtime: { backend: "mlx-lm", backendVersion: "0.32.2", mlxVersion: "0.32.4", platform: "linux" },
  lastOutcome: null,
  allowUnsupportedRuntime: false,
  trustsCode: false,
};
const advisory = { id: "ID", package: "mlx", range: "", level: "refuse", summary: "x", source: "y" } as const;

/** Everything that can be wrong, one thing at a time. */
const FAULTS: readonly Partial<AdmissionFacts>[] = [
  ...Object.values(ARCHITECTURES).map((architecture) => ({ architecture })),
  { needsTokenizerCode: true },
  { architecture: { ...known, modelType: "glm_moe_dsa" } },
  { snapshot: { ...snapshot, config: { model_type: "llama", quantization: "4" } } },
  { snapshot: { ...snapshot, quantizationConfig: { quant_method: "unheard-of" } } },
  { advisories: [advisory] },
];

type Checks = Map<string, Set<string>>;

function note(checks: Checks, name: string, code: ErrorCode | string | null): void {
  const codes = checks.get(name) ?? new Set();
  if (code !== null) codes.add(code);
  checks.set(name, codes);
}

function noteProblems(checks: Checks): void {
  const problems = Object.keys(PROBLEMS).flatMap((kind): SnapshotProblem[] => [
    { kind, foreign: [], isEvery: true } as unknown as SnapshotProblem,
    { kind, foreign: ["model.gguf"], isEvery: false } as unknown as SnapshotProblem,
  ]);
  for (const problem of problems) {
    const { area, code } = judgeProblem(problem);
    note(checks, area, code);
  }
}

function noteFaults(checks: Checks): void {
  for (const fault of [{}, ...FAULTS]) {
    const { checks: found, code } = decideAdmission({ ...sound, ...fault });
    for (const { name, status } of found) note(checks, name, status === "fail" ? code : null);
  }
}

/** What may become of the process that looks at the structure. */
function noteStructure(checks: Checks): void {
  const answers = [
    "model_incomplete",
    "model_unsupported_arch",
    "model_unsupported_backend",
    "insufficient_memory",
    "internal",
  ];
  const exits = ["SIGKILL", "SIGSEGV", "SIGXCPU"].map((signal) => ({ code: null, signal, stderrTail: "" }));
  const failures = [
    ...answers.map((word) => classifyAnswer("loading", word, "")),
    classifyTimeout("loading", ""),
    classifyTimeout("starting", ""),
    ...exits.map((exit) => judgeInspectExit("loading", exit)),
    judgeInspectExit("starting", { code: 1, signal: null, stderrTail: "" }),
  ];
  for (const { reason } of failures) note(checks, "structure", reason.code);
}

function everyCheck(): Record<string, string[]> {
  const checks: Checks = new Map();
  noteProblems(checks);
  noteFaults(checks);
  noteStructure(checks);
  note(checks, "memory", "insufficient_memory");
  return Object.fromEntries([...checks].map(([name, codes]) => [name, [...codes].toSorted()]));
}

it("the table of checks has every check of an admission with every code it can give, and no other", async () => {
  const page = await readFile(PAGE, "utf8");
  const table = /<!-- checks:begin -->\n([\s\S]*?)<!-- checks:end -->/.exec(page)?.[1] ?? "";
  const rows = table.trim().split("\n").slice(2);
  const written = rows.map((row): [string, string[]] => {
    const [, name = "", , codes = ""] = row.split(" | ").join("|").split("|");
    return [
      name.trim().replaceAll("`", ""),
      [...codes.matchAll(/`(\w+)`/g)].map(([, code = ""]) => code).toSorted(),
    ];
  });
  expect(Object.fromEntries(written)).toEqual(everyCheck());
  expect(new Set(written.map(([name]) => name)).size).toBe(rows.length);
});

it("every example of a configuration on the page is one", async () => {
  const page = await readFile(PAGE, "utf8");
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  expect(examples.length).toBeGreaterThan(2);
  for (const example of examples) expect(() => configSchema.parse(parse(example)), example).not.toThrow();
});
