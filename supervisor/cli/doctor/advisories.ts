import { isInRange } from "./version-range.ts";

/** A release of a package that is known to be bad. */
export interface Advisory {
  readonly package: "mlx" | "mlx-lm";
  /** PEP 440 range. */
  readonly versions: string;
  /** `fail`: answers may be wrong without anybody noticing. */
  readonly severity: "warn" | "fail";
  readonly what: string;
  /** Where it is described. */
  readonly source: string;
}

export const ADVISORIES: readonly Advisory[] = [
  {
    package: "mlx",
    versions: "<=0.31.1",
    severity: "fail",
    what: "fused attention is wrong on 4-bit models, without an error",
    source: "https://github.com/ml-explore/mlx/issues/3384",
  },
  {
    package: "mlx",
    versions: "==0.31.2",
    severity: "warn",
    what: "clear_cache() can crash the worker",
    source: "https://github.com/ml-explore/mlx/issues/3450",
  },
  {
    package: "mlx",
    versions: ">=0.31.2,<=0.32.0",
    severity: "warn",
    what: "nvfp4 models can give wrong answers",
    source: "https://github.com/ml-explore/mlx/issues/3854",
  },
  {
    package: "mlx-lm",
    versions: "==0.31.3",
    severity: "warn",
    what: "workers can hang at exit, and a prompt met before can fail",
    source: "https://github.com/ml-explore/mlx-lm/issues/1208",
  },
];

/** What is known against these versions. */
export function advisoriesFor(
  versions: Readonly<Record<Advisory["package"], string>>,
  advisories: readonly Advisory[] = ADVISORIES,
): Advisory[] {
  return advisories.filter((advisory) => isInRange(versions[advisory.package], advisory.versions));
}
