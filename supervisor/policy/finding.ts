import type { Check } from "../../shared/admin.ts";
import type { ErrorCode } from "../../shared/errors.ts";

/** A check of an admission; inside it also knows its error code, null unless it fails. */
export interface Finding extends Check {
  readonly code: ErrorCode | null;
  /** It would have failed, and the request said to go on. */
  readonly isOverridden?: boolean;
}

export function pass(name: string, detail: string): Finding {
  return { name, status: "pass", detail, code: null };
}

export function warn(name: string, detail: string): Finding {
  return { name, status: "warn", detail, code: null };
}

export function fail(name: string, code: ErrorCode, detail: string): Finding {
  return { name, status: "fail", detail, code };
}
