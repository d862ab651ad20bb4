import type { ArchitectureFinding } from "./architecture-finding.ts";
import { type Finding, fail, pass } from "./finding.ts";
import type { RuntimeVersions } from "./runtime-blocklist.ts";

const NAME = "architecture";

/** Whether the runtime has the architecture and the config says enough to build it; nothing without a config. */
export function checkArchitecture(
  architecture: ArchitectureFinding | null,
  { modelId, runtime }: { readonly modelId: string; readonly runtime: RuntimeVersions },
): Finding[] {
  if (architecture === null) return [];
  const where = `${runtime.backend} ${runtime.backendVersion}`;
  const repair = `repair config.json with: lmx repair ${modelId}`;
  switch (architecture.kind) {
    case "known":
      return [checkFields(architecture, repair)];
    case "no-model-type":
      return [fail(NAME, "model_incomplete", "config.json has no model_type", { nextStep: repair })];
    case "bad-model-type":
      return [
        fail(NAME, "model_incomplete", `model_type is ${architecture.found}`, {
          expected: "the name of an architecture",
          nextStep: repair,
        }),
      ];
    case "needs-package":
      return [
        unsupported(
          `${architecture.modelType} needs the Python package ${architecture.package}, which the runtime lacks`,
          "choose a model of another architecture, or a runtime that has the package",
        ),
      ];
    case "helper":
      return [
        unsupported(`${architecture.modelType} is a helper module of ${where}, not an architecture`, repair),
      ];
    case "unknown": {
      const { modelType, near } = architecture;
      const relatives = near.length === 0 ? "" : `; ${near.join(", ")} ${near.length === 1 ? "is" : "are"}`;
      return [
        unsupported(
          `${modelType.slice(0, 80)} is not in ${where}${relatives}`,
          "a newer runtime may have it; until then choose a model of another architecture",
        ),
      ];
    }
    default:
      return architecture satisfies never;
  }
}

function checkFields(
  { modelType, module, missingFields }: Extract<ArchitectureFinding, { kind: "known" }>,
  repair: string,
): Finding {
  if (missingFields.length === 0)
    return pass(NAME, modelType === module ? modelType : `${modelType}, loaded as ${module}`);
  return fail(NAME, "model_incomplete", `config.json lacks ${missingFields.join(", ")}`, {
    expected: `every field ${module} needs`,
    nextStep: repair,
  });
}

function unsupported(detail: string, nextStep: string): Finding {
  return fail(NAME, "model_unsupported_arch", detail, { nextStep });
}
