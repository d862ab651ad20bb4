import { readFile } from "node:fs/promises";
import { z } from "zod";

/** Per-layer quantisation tables make some config.json long; longer than this it is something else. Bytes. */
const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

const tokens = z.number().int().positive().optional().catch(undefined);

/** Architectures name their context length differently. */
const lengthsSchema = z.object({
  max_position_embeddings: tokens,
  max_sequence_length: tokens,
  seq_length: tokens,
  n_positions: tokens,
  n_ctx: tokens,
});

const modelConfigSchema = lengthsSchema.extend({
  model_type: z.string().min(1).nullable().catch(null),
  /** Multimodal models keep the language model's numbers here. */
  text_config: lengthsSchema.optional().catch(undefined),
});

/** What config.json says about a model before anything is loaded. */
export interface ModelConfig {
  readonly modelType: string | null;
  /** Tokens. */
  readonly contextLength: number | null;
}

/**
 * Reads a model's config.json; a missing or broken one leaves the facts unknown, it is the load that refuses it.
 * @param sizeBytes null when there is no such file, and nothing else of that name is to be opened
 */
export async function readModelConfig(path: string, sizeBytes: number | null): Promise<ModelConfig> {
  const unknown: ModelConfig = { modelType: null, contextLength: null };
  if (sizeBytes === null || sizeBytes > MAX_CONFIG_BYTES) return unknown;
  try {
    const config = modelConfigSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    if (!config.success) return unknown;
    return {
      modelType: config.data.model_type,
      contextLength:
        longest(config.data) ?? (config.data.text_config && longest(config.data.text_config)) ?? null,
    };
  } catch {
    return unknown;
  }
}

function longest(lengths: z.infer<typeof lengthsSchema>): number | undefined {
  const { max_position_embeddings, max_sequence_length, seq_length, n_positions, n_ctx } = lengths;
  return max_position_embeddings ?? max_sequence_length ?? seq_length ?? n_positions ?? n_ctx;
}
