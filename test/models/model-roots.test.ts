import { expect, it } from "vitest";
import { modelRoots } from "../../supervisor/models/model-roots.ts";

const config = { model_roots: ["/extra"], huggingface_cache: true, lm_studio: true };

function paths(changes: Partial<typeof config | Record<string, string | boolean>> = {}, env = {}): string[] {
  const options = {
    modelsDirectory: "/state/models",
    config: { ...config, ...changes },
    env,
    home: "/home/me",
  };
  return modelRoots(options).map(({ path }) => path);
}

it("our own directory comes first, then the configured ones, then those of other programs", () => {
  expect(paths()).toEqual([
    "/state/models",
    "/extra",
    "/home/me/.cache/huggingface/hub",
    "/home/me/.lmstudio/models",
    "/home/me/.cache/lm-studio/models",
  ]);
});

it("other programs' folders can be switched off or be somewhere else", () => {
  expect(paths({ huggingface_cache: false, lm_studio: false })).toEqual(["/state/models", "/extra"]);
  expect(paths({ huggingface_cache: "/hub", lm_studio: "/studio" })).toEqual([
    "/state/models",
    "/extra",
    "/hub",
    "/studio",
  ]);
});

it.each([
  [{ HF_HUB_CACHE: "/cache", HF_HOME: "/hf" }, "/cache"],
  [{ HUGGINGFACE_HUB_CACHE: "/older" }, "/older"],
  [{ HF_HOME: "/hf" }, "/hf/hub"],
  [{ HF_HOME: "~/hf" }, "/home/me/hf/hub"],
  [{ XDG_CACHE_HOME: "/xdg" }, "/xdg/huggingface/hub"],
  [{ HF_HUB_CACHE: "" }, "/home/me/.cache/huggingface/hub"],
])("the Hugging Face cache is where %j says", (env, path) => {
  expect(paths({ lm_studio: false }, env)[2]).toBe(path);
});
