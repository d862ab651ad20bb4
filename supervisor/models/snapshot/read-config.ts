import type { JsonObject, JsonValue, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { isObject } from "./json-object.ts";
import { readJson } from "./read-json.ts";
import type { SnapshotRoom } from "./snapshot-room.ts";

export interface ConfigReading {
  readonly value: JsonObject | null;
  readonly quantizationConfig: JsonValue | undefined;
  readonly problems: readonly SnapshotProblem[];
}

/** What mlx_lm takes from generation_config.json. */
const OF_GENERATION: ReadonlySet<string> = new Set(["eos_token_id"]);

/** The config as mlx_lm puts it together from config.json, generation_config.json and hf_quant_config.json. */
export async function readConfig({ listing, files, pacer }: SnapshotRoom): Promise<ConfigReading> {
  const bad = (problem: SnapshotProblem): ConfigReading => ({
    value: null,
    quantizationConfig: undefined,
    problems: [problem],
  });
  const read = async (name: string, wanted: ReadonlySet<string> | null = null) => {
    const file = listing.get(name);
    return file === undefined ? null : await readJson(file, files, pacer, wanted);
  };
  const config = await read("config.json");
  const generation = await read("generation_config.json", OF_GENERATION);
  const separate = await read("hf_quant_config.json");
  if (config === null) return bad({ kind: "config-missing" });
  if (config.kind === "unreadable") return bad({ kind: "config-unreadable", detail: config.detail });
  if (!isObject(config.value)) return bad({ kind: "config-not-object", found: kindOf(config.value) });
  const problems: SnapshotProblem[] = [];
  if (generation?.kind === "unreadable")
    problems.push({ kind: "generation-config-unreadable", detail: generation.detail });
  const settings = generation?.kind === "read" && isObject(generation.value) ? generation.value : {};
  const eos = isSet(settings.eos_token_id) ? { eos_token_id: settings.eos_token_id } : {};
  const text = config.value.text_config;
  const inside = isObject(text) ? text.quantization_config : undefined;
  const beside = separate?.kind === "read" ? separate.value : undefined;
  return {
    value: { ...config.value, ...eos },
    quantizationConfig: config.value.quantization_config ?? inside ?? beside,
    problems,
  };
}

/** As Python's truth: 0 and an empty list do not replace what config.json says. */
function isSet(value: JsonValue | undefined): value is JsonValue {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function kindOf(value: JsonValue): string {
  return Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
}
