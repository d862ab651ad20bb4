import type { Check } from "../../../shared/admin.ts";

/** One thing the doctor looked at. */
export interface DoctorCheck extends Check {
  /** What to do about it; null when there is nothing to do. */
  readonly next_step: string | null;
}

export function pass(name: string, detail: string): DoctorCheck {
  return { name, status: "pass", detail, next_step: null };
}

/** It works, but not as well as it could. */
export function warn(name: string, detail: string, nextStep: string): DoctorCheck {
  return { name, status: "warn", detail, next_step: nextStep };
}

/** The service cannot start, or no model can run. */
export function fail(name: string, detail: string, nextStep: string): DoctorCheck {
  return { name, status: "fail", detail, next_step: nextStep };
}
