import type { RuntimeVersions } from "./runtime-blocklist.ts";
import type { JsonObject, JsonValue } from "./snapshot-facts.ts";
import { isInRange, parseRange } from "./version-range.ts";

/** Something known to be wrong with a version or a model. `refuse` is for silent corruption and confirmed panics only. */
export interface Advisory {
  readonly id: string;
  readonly package: "mlx" | "mlx-lm";
  /** PEP 440; empty: every version. */
  readonly range: string;
  /** Model ids, `*` standing for anything; absent: every model. */
  readonly models?: readonly string[];
  /** All that is given must hold as well. */
  readonly only?: {
    readonly platform?: string;
    readonly quantizationMode?: string;
    readonly bits?: number;
    /** A key of config.json. */
    readonly configKey?: string;
  };
  readonly level: "warn" | "refuse";
  readonly summary: string;
  readonly source: string;
}

export const DEFAULT_ADVISORIES: readonly Advisory[] = [
  {
    id: "mlx-clear-cache-crash",
    package: "mlx",
    range: "==0.31.2",
    level: "warn",
    summary: "clear_cache() can crash the worker",
    source: "https://github.com/ml-explore/mlx/issues/3450",
  },
  {
    id: "mlx-fused-attention-4bit",
    package: "mlx",
    range: "<=0.31.1",
    only: { bits: 4 },
    level: "refuse",
    summary: "fused attention gives wrong results on 4-bit models without an error",
    source: "https://github.com/ml-explore/mlx/issues/3384",
  },
  {
    id: "mlx-nvfp4-split-k",
    package: "mlx",
    range: "==0.31.2",
    only: { quantizationMode: "nvfp4" },
    level: "refuse",
    summary: "nvfp4 products are wrong or NaN on the split-K path",
    source: "https://github.com/ml-explore/mlx/issues/3854",
  },
  {
    id: "mlx-nvfp4-split-k-again",
    package: "mlx",
    range: "==0.32.0",
    only: { quantizationMode: "nvfp4" },
    level: "refuse",
    summary: "nvfp4 products are wrong or NaN on the split-K path",
    source: "https://github.com/ml-explore/mlx/issues/3912",
  },
  {
    id: "mlx-lm-exit-race",
    package: "mlx-lm",
    range: "==0.31.3",
    level: "warn",
    summary: "the process may crash when it ends",
    source: "https://github.com/ml-explore/mlx-lm/issues/1208",
  },
  {
    id: "mlx-lm-exact-hit",
    package: "mlx-lm",
    range: "==0.31.3",
    level: "warn",
    summary: "an exact hit in the prompt cache raises IndexError",
    source: "https://github.com/ml-explore/mlx-lm/issues/1215",
  },
  {
    id: "gemma-4-31b-8bit-panic",
    package: "mlx",
    range: "",
    models: ["*gemma-4-31b-it-8bit*"],
    only: { platform: "darwin" },
    level: "refuse",
    summary: "kernel panics of the whole machine are confirmed on M1 to M4",
    source: "https://github.com/ml-explore/mlx/issues/3186",
  },
  {
    id: "qwen3-vl-2b-hang",
    package: "mlx",
    range: "",
    models: ["*Qwen3-VL-2B*"],
    only: { platform: "darwin" },
    level: "warn",
    summary: "the GPU hangs on M5",
    source: "metal-guard, known models",
  },
  {
    id: "vision-config-as-text",
    package: "mlx-lm",
    range: "",
    only: { configKey: "vision_config" },
    level: "warn",
    summary:
      "a multimodal checkpoint loaded as text may answer nonsense without an error; the canary decides",
    source: "https://github.com/ml-explore/mlx-lm/issues/1197",
  },
];

/** The advisories that speak of this model on this runtime. A range that cannot be read matches nothing. */
export function matchAdvisories(
  advisories: readonly Advisory[],
  model: { readonly id: string; readonly config: JsonObject | null },
  runtime: RuntimeVersions,
): Advisory[] {
  return advisories.filter((advisory) => {
    const isAboutModel = advisory.models?.some((pattern) => matchesName(pattern, model.id)) ?? true;
    return isAgainst(advisory, runtime) && isAboutModel && holds(advisory.only ?? {}, model.config, runtime);
  });
}

function holds(
  only: NonNullable<Advisory["only"]>,
  config: JsonObject | null,
  runtime: RuntimeVersions,
): boolean {
  const quantization = asObject(config?.quantization);
  return (
    (only.platform === undefined || only.platform === runtime.platform) &&
    (only.quantizationMode === undefined || only.quantizationMode === quantization?.mode) &&
    (only.bits === undefined || only.bits === quantization?.bits) &&
    (only.configKey === undefined || (config !== null && Object.hasOwn(config, only.configKey)))
  );
}

function asObject(value: JsonValue | undefined): JsonObject | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** Ids are spelt with and without capitals. */
function matchesName(pattern: string, id: string): boolean {
  const parts = pattern.toLowerCase().split("*");
  let at = 0;
  const name = id.toLowerCase();
  return parts.every((part, index) => {
    const found = index === parts.length - 1 && part !== "" ? name.lastIndexOf(part) : name.indexOf(part, at);
    const isAnchored =
      (index > 0 || found === 0) &&
      (index < parts.length - 1 || part === "" || found + part.length === name.length);
    const isInOrder = found >= at;
    at = found + part.length;
    return isInOrder && isAnchored;
  });
}

/** What is known against these very versions, before any model is looked at; the summary says which models it is about. */
export function advisoriesAgainst(runtime: RuntimeVersions, advisories = DEFAULT_ADVISORIES): Advisory[] {
  return advisories.filter(({ models, range, ...advisory }) => {
    const isAboutVersions = models === undefined && range !== "";
    return isAboutVersions && isAgainst({ ...advisory, range }, runtime);
  });
}

function isAgainst(advisory: Pick<Advisory, "package" | "range">, runtime: RuntimeVersions): boolean {
  const range = parseRange(advisory.range);
  const version = advisory.package === "mlx" ? runtime.mlxVersion : runtime.backendVersion;
  return range !== null && isInRange(version, range);
}
