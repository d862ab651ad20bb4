import type { ReducedArchitecture } from "../../shared/admin-sweep.ts";
import { LmxError } from "../../shared/errors.ts";
import { nearestNames } from "../models/nearest-names.ts";

/** Families operators ask about first: a sweep of everything says of each of them how it is, or that it is not there. */
const ALWAYS = [
  "glm4_moe",
  "glm_moe_dsa",
  "kimi_k2",
  "kimi_k25",
  "kimi_linear",
  "minimax",
  "minimax_m2",
] as const;

/**
 * The architectures a sweep goes through, in the order they are listed.
 * @param wanted undefined: all
 * @throws LmxError invalid_request_error naming the unknown ones
 */
export function planSweep(
  listed: readonly ReducedArchitecture[],
  wanted: readonly string[] | undefined,
): ReducedArchitecture[] {
  const names = new Set(listed.map(({ arch }) => arch));
  if (wanted === undefined) return [...listed, ...ALWAYS.filter((arch) => !names.has(arch)).map(absent)];
  const [unknown] = wanted.filter((arch) => !names.has(arch));
  if (unknown !== undefined) throw unknownArchitecture(unknown, names);
  return listed.filter(({ arch }) => wanted.includes(arch));
}

function absent(arch: string): ReducedArchitecture {
  const limit = { kind: "cannot-build", reason: "The installed mlx_lm has no such architecture." };
  return { arch, family: arch, limit };
}

function unknownArchitecture(name: string, known: ReadonlySet<string>): LmxError {
  const near = nearestNames(name, known);
  const hint = near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
  const problem = `The installed mlx_lm has no architecture ${JSON.stringify(name.slice(0, 100))}.${hint}`;
  return new LmxError("invalid_request_error", problem, { param: "archs" });
}
