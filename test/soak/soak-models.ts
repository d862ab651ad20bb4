import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** Real models with random weights; every victim is a copy of one of the last two. */
const RECIPES = [
  { arch: "llama", seed: 1 },
  { arch: "llama", seed: 2 },
  { arch: "qwen3", seed: 3 },
] as const;

export const BYSTANDER = "soak/bystander";

export function victimIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `soak/victim-${index + 1}`);
}

/** Writes the bystander and the victims where a state directory has its models. */
export async function writeModels(
  python: string,
  workerDirectory: string,
  home: string,
  victims: readonly string[],
) {
  const workshop = await mkdtemp(join(tmpdir(), "lmx-soak-models-"));
  const built = await Promise.all(
    RECIPES.map(async ({ arch, seed }, index) => {
      const out = join(workshop, String(index));
      const args = [
        "-m",
        "tests.tiny_models",
        "--arch",
        arch,
        "--out",
        out,
        "--seed",
        String(seed),
        "--endless",
      ];
      const env = { ...process.env, MLX_DISABLE_COMPILE: "1" };
      await promisify(execFile)(python, args, { cwd: workerDirectory, env });
      return out;
    }),
  );
  for (const [index, id] of [BYSTANDER, ...victims].entries()) {
    const source = built[index === 0 ? 0 : 1 + (index % 2)];
    const target = join(home, "models", id);
    mkdirSync(dirname(target), { recursive: true });
    if (source !== undefined) cpSync(source, target, { recursive: true });
  }
  return workshop;
}

/** Files of one model that can be damaged and made whole again; each change is one rename, and a new key. */
export class DamageableModel {
  readonly #weights: string;
  readonly #whole: Buffer;

  constructor(home: string, id: string) {
    this.#weights = join(home, "models", id, "model.safetensors");
    this.#whole = readFileSync(this.#weights);
  }

  damage(how: "truncated" | "nan"): void {
    const whole = this.#whole;
    this.#replace(how === "truncated" ? whole.subarray(0, whole.length / 2) : withNaN(whole));
  }

  repair(): void {
    this.#replace(this.#whole);
  }

  #replace(bytes: Buffer): void {
    writeFileSync(`${this.#weights}.new`, bytes);
    renameSync(`${this.#weights}.new`, this.#weights);
  }
}

/** All bits set is NaN in every floating-point type. */
function withNaN(safetensors: Buffer): Buffer {
  const data = 8 + Number(safetensors.readBigUInt64LE());
  return Buffer.concat([safetensors.subarray(0, data), Buffer.alloc(safetensors.length - data, 0xff)]);
}
