import type { Check } from "../../../shared/admin.ts";
import type { ErrorCode } from "../../../shared/errors.ts";

/** A check of an admission; inside it also knows its error code, null unless it fails. */
export interface Finding extends Check {
  readonly code: ErrorCode | null;
  /** It would have failed, and the request said to go on. */
  readonly isOverridden?: boolean;
}

export function pass(name: string, detail: string): Finding {
  return { name, status: "pass", detail, expected: null, next_step: null, code: null };
}

export function warn(name: string, detail: string, nextStep: string | null = null): Finding {
  return { name, status: "warn", detail, expected: null, next_step: nextStep, code: null };
}

/** What was expected instead, and what to do about it. */
export interface Remedy {
  readonly expected?: string;
  readonly nextStep: string;
}

export function fail(name: string, code: ErrorCode, detail: string, { expected, nextStep }: Remedy): Finding {
  return { name, status: "fail", detail, expected: expected ?? null, next_step: nextStep, code };
}

/** The check as others see it. */
export function toCheck({ name, status, detail, expected, next_step }: Finding): Check {
  return { name, status, detail, expected: expected ?? null, next_step: next_step ?? null };
}

/** One sentence for an error message: what was found and what to do. */
export function sentence({ detail, next_step }: Pick<Check, "detail" | "next_step">): string {
  return next_step === null || next_step === undefined ? detail : `${detail}; ${next_step}`;
}
