/** What the installed mlx_lm makes of a config's `model_type`. */
export type ArchitectureFinding =
  | {
      readonly kind: "known";
      readonly modelType: string;
      /** mlx_lm's module for it; several types share one. */
      readonly module: string;
      /** Fields of the config without which the architecture cannot be built. */
      readonly missingFields: readonly string[];
      /** Its code turns 8-bit float weights into plain ones. */
      readonly readsFp8: boolean;
    }
  | { readonly kind: "unknown"; readonly modelType: string; readonly near: readonly string[] }
  | { readonly kind: "helper"; readonly modelType: string; readonly near: readonly string[] }
  | { readonly kind: "needs-package"; readonly modelType: string; readonly package: string }
  | { readonly kind: "bad-model-type"; readonly found: string }
  | { readonly kind: "no-model-type" };
