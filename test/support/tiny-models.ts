import { inject } from "vitest";

/** Directories of tiny real models that the test run built once; see test/support/global-setup.ts. */
export function tinyModels(): { readonly endless: string; readonly endlessTwin: string } {
  return inject("tinyModels");
}
