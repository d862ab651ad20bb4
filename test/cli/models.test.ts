import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { downloadRevision, revision } from "../models/huggingface-cache.ts";
import { writeModel } from "../models/model-directory.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { always, fakeSupervisor, model, modelList } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

/** A state directory that is also the home, with nobody listening on its port. */
async function stateDirectory(config: string): Promise<string> {
  const home = await temporaryDirectory();
  await writeFile(join(home, "config.yaml"), `port: 9\n${config}`);
  return home;
}

describe("models", () => {
  it("shows what a supervisor can serve, with states and places", async () => {
    const { url } = await fakeSupervisor(
      always(200, modelList(model("org/a", "routable"), model("org/b", "unloaded"))),
    );
    const { code, out, err } = await lmx(["models", "--url", url]);
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\n")).toEqual([
      "MODEL  TYPE   SIZE  CONTEXT  STATE     PATH",
      "org/a  llama  1 B   -        routable  /models/org/a",
      "org/b  llama  1 B   -        unloaded  /models/org/b",
      "",
    ]);
  });

  it("looks at the disk itself when no supervisor runs: every place, and the aliases", async () => {
    const home = await stateDirectory("model_roots: [extra]\naliases: { small: org/own }\n");
    await writeModel(join(home, "models"), "org/own", { model_type: "qwen3", max_position_embeddings: 4096 });
    await writeModel(join(home, "extra"), "org/extra");
    await writeModel(join(home, ".lmstudio/models"), "org/studio");
    await downloadRevision(join(home, ".cache/huggingface/hub"), "org/cached", revision("a"));
    const { code, out, err } = await lmx(["models"], { OPTA_LMX_HOME: home });
    expect(code).toBe(0);
    expect(err).toContain("No supervisor runs here");
    for (const id of ["lmx-demo", "org/cached", "org/extra", "org/studio"])
      expect(out).toMatch(new RegExp(`^${id} `, "m"));
    expect(out).toMatch(/^org\/own +qwen3 +\d+ B +4096 +- +\/.*models\/org\/own$/m);
    expect(out).toContain("small is an alias of org/own");
    expect((await lmx(["models", "-q"], { OPTA_LMX_HOME: home })).out.split("\n")).toEqual([
      "lmx-demo",
      "org/cached",
      "org/extra",
      "org/own",
      "org/studio",
      "small",
      "",
    ]);
    const json = JSON.parse((await lmx(["models", "--json"], { OPTA_LMX_HOME: home })).out);
    expect(json).toMatchObject({ supervisor: false, aliases: { small: "org/own" } });
    expect(json.data).toHaveLength(5);
  });

  it("other programs' folders can be switched off", async () => {
    const home = await stateDirectory("huggingface_cache: false\nlm_studio: studio\n");
    await writeModel(join(home, ".lmstudio/models"), "org/studio");
    await writeModel(join(home, "studio"), "org/elsewhere");
    await mkdir(join(home, ".cache/huggingface/hub"), { recursive: true });
    await downloadRevision(join(home, ".cache/huggingface/hub"), "org/cached", revision("a"));
    expect((await lmx(["models", "-q"], { OPTA_LMX_HOME: home })).out).toBe("lmx-demo\norg/elsewhere\n");
  });

  it("a supervisor that was named must answer", async () => {
    expect((await lmx(["models", "--url", "http://127.0.0.1:9"])).code).toBe(69);
  });
});
