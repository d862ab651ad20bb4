import { chmod, chown, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { exposedPaths } from "../../supervisor/config/exposed-paths.ts";
import { loadConfig } from "../../supervisor/config/load-config.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

let home: string;
let state: string;

beforeEach(async () => {
  home = await temporaryDirectory();
  state = join(home, "state");
  await mkdir(state, { mode: 0o700 });
});

async function configure(text: string, mode: number): Promise<void> {
  await writeFile(join(state, "config.yaml"), text);
  await chmod(join(state, "config.yaml"), mode);
}

/** Commands that would mend everything. */
async function nextSteps(models: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const env = { OPTA_LMX_HOME: state };
  const modelDirectory = async (id: string) => models[id] ?? null;
  const found = await exposedPaths({ loaded: loadConfig({ env, home }), env, home, modelDirectory });
  return found.map(({ nextStep }) => nextStep);
}

describe("what others can change", () => {
  it("is nothing in a state directory as it is made, or where there is none yet", async () => {
    await configure("port: 0\n", 0o644);
    expect(await nextSteps()).toEqual([]);
    state = join(home, "not", "yet");
    expect(await nextSteps()).toEqual([]);
  });

  it("is the state directory, the configuration and every place models are looked for", async () => {
    const root = join(home, "root");
    const cache = join(home, ".cache", "huggingface", "hub");
    for (const path of [root, cache, join(state, "models")]) {
      await mkdir(path, { recursive: true });
      await chmod(path, 0o777);
    }
    await configure(`model_roots: [${root}]\n`, 0o666);
    await chmod(state, 0o777);
    expect(await nextSteps()).toEqual(
      [state, join(state, "config.yaml"), join(state, "models"), root, cache].map(
        (path) => `chmod go-w ${path}`,
      ),
    );
  });

  it("is a configuration with keys that others can read", async () => {
    await configure("api_keys: [key-12345678]\n", 0o644);
    expect(await nextSteps()).toEqual([`chmod 600 ${join(state, "config.yaml")}`]);
    await configure("api_keys: [key-12345678]\n", 0o600);
    expect(await nextSteps()).toEqual([]);
  });

  it("is a model whose code is run, each of its files, and no other model", async () => {
    const root = join(state, "models", "org");
    const trusted = join(root, "trusted");
    await mkdir(trusted, { recursive: true });
    const blob = join(state, "blob.py");
    await writeFile(blob, "");
    await symlink(blob, join(trusted, "model.py"));
    await writeFile(join(trusted, "config.json"), "{}");
    await configure("models: { org/trusted: { trust_code: true }, org/other: {} }\n", 0o600);
    const models = { "org/trusted": trusted, "org/other": join(root, "other") };
    await mkdir(join(root, "other"));
    await chmod(join(root, "other"), 0o777);
    expect(await nextSteps(models)).toEqual([]);
    await chmod(blob, 0o666);
    await chmod(join(trusted, "config.json"), 0o666);
    const mend = [`chmod -R go-w ${trusted}`, `chmod go-w ${blob}`];
    expect(await nextSteps(models)).toEqual(mend);
    await chmod(root, 0o777);
    expect(await nextSteps(models)).toEqual([`chmod go-w ${root}`, ...mend]);
  });

  it.runIf(process.getuid?.() === 0)("is what belongs to another user", async () => {
    await chown(state, 12_345, 12_345);
    expect(await nextSteps()).toEqual([`chown root ${state}`]);
  });
});
