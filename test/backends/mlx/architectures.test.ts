import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  findArchitecture,
  needsTokenizerCode,
  readArchitectures,
} from "../../../supervisor/backends/mlx/architectures.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const PACKAGE = {
  "_version.py": '__version__ = "9.9.9"\n',
  "utils.py": `
MODEL_REMAPPING = {
    "mistral": "llama",
    "kimi_k2": "glm4_moe",  # a comment
}

MODEL_ARCHITECTURE_REMAPPING = {
    ("hybrid", "HybridV3"): "llama",
}

OTHER = {"not": "this"}
`,
  "models/__init__.py": "",
  "models/base.py": "class BaseModelArgs:\n    pass\n",
  "models/llama.py": `
from .base import BaseModelArgs

@dataclass
class ModelArgs(BaseModelArgs):
    """Words: not a field."""
    model_type: str
    hidden_size: int  # a comment: with = in it
    rope: Optional[
        Dict[str, int]
    ] = None
    heads: int = field(
        default=4
    )
    version: ClassVar[int] = 1

    def method(self):
        inner: int
        return self

class Model(nn.Module):
    weight_scale_inv = 1
`,
  "models/glm4_moe.py": `
from . import llama
from .llama import Model  # noqa

class ModelArgs(llama.ModelArgs):
    experts: int
    hidden_size: int = 8
`,
  "models/glm_moe_dsa.py": "from .glm4_moe import Model, ModelArgs\n",
  "models/own.py": `
class ModelArgs(BaseModelArgs):
    text_config: dict
    @classmethod
    def from_dict(cls, params):
        return cls(params)
class Model:
    pass
`,
  "models/olmo.py": `
import sys
try:
    import hf_olmo  # noqa
except ImportError:
    print("install it")
    sys.exit(1)
class ModelArgs(BaseModelArgs):
    model_type: str
class Model:
    pass
`,
  "../transformers/models/auto/tokenization_auto.py": `
TOKENIZER_MAPPING_NAMES = OrderedDict[str, str | None](
    [
        ("llama", "LlamaTokenizer" if is_tokenizers_available() else None),
        ("qwen2", "Qwen2TokenizerFast"),
    ]
)
MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS: set[str] = {
    "minimax_m2",
}
`,
};

async function installedPackage(files: Readonly<Record<string, string>> = PACKAGE): Promise<string> {
  const directory = join(await temporaryDirectory(), "mlx_lm");
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  return directory;
}

async function find(config: Record<string, string | string[] | number | null>) {
  return findArchitecture(await readArchitectures(await installedPackage()), config);
}

describe("the architectures of an installed mlx_lm", () => {
  it("are the modules with a model and its arguments, imported ones included", async () => {
    const architectures = await readArchitectures(await installedPackage());
    expect([...architectures.modules.keys()]).toEqual(["glm4_moe", "glm_moe_dsa", "llama", "olmo", "own"]);
    expect([...architectures.helpers]).toEqual(["__init__", "base"]);
    expect(architectures.version).toBe("9.9.9");
  });

  it("are read once", async () => {
    const directory = await installedPackage();
    const first = await readArchitectures(directory);
    await writeFile(join(directory, "models", "new.py"), "class Model:\n  pass\nclass ModelArgs:\n  pass\n");
    expect(await readArchitectures(directory)).toBe(first);
    await writeFile(join(directory, "_version.py"), '__version__ = "10.0"');
    expect((await readArchitectures(directory)).modules.has("new")).toBe(true);
  });

  it("cannot be read where there is no package, and can be once it is there", async () => {
    const directory = join(await temporaryDirectory(), "mlx_lm");
    await expect(readArchitectures(directory)).rejects.toThrow("ENOENT");
  });

  it("name the fields that have no default, inherited ones included", async () => {
    expect(await find({ model_type: "llama" })).toMatchObject({
      kind: "known",
      missingFields: ["hidden_size"],
    });
    expect(await find({ model_type: "glm_moe_dsa" })).toMatchObject({
      missingFields: ["experts"],
      readsFp8: true,
    });
    expect(await find({ model_type: "llama", hidden_size: null })).toMatchObject({ missingFields: [] });
    expect(await find({ model_type: "own" })).toMatchObject({ kind: "known", missingFields: [] });
  });

  it("are found under other names", async () => {
    expect(await find({ model_type: "mistral" })).toMatchObject({ kind: "known", module: "llama" });
    expect(await find({ model_type: "hybrid", architectures: ["X", "HybridV3"] })).toMatchObject({
      module: "llama",
    });
    expect(await find({ model_type: "hybrid", architectures: "HybridV2" })).toMatchObject({
      kind: "unknown",
    });
    expect(await find({ model_type: "not" })).toMatchObject({ kind: "unknown" });
  });

  it("are not helpers, paths, or types that are no names", async () => {
    expect(await find({ model_type: "base" })).toMatchObject({ kind: "helper" });
    expect(await find({ model_type: "../mlx_lm/models/llama" })).toMatchObject({ kind: "unknown" });
    expect(await find({ model_type: "__proto__" })).toMatchObject({ kind: "unknown" });
    expect(await find({ model_type: null })).toEqual({ kind: "bad-model-type", found: "null" });
    expect(await find({})).toEqual({ kind: "no-model-type" });
  });

  it("need the package their import insists on, unless it is installed", async () => {
    const directory = await installedPackage();
    const before = findArchitecture(await readArchitectures(directory), { model_type: "olmo" });
    expect(before).toEqual({ kind: "needs-package", modelType: "olmo", package: "hf_olmo" });
    await mkdir(join(directory, "..", "hf_olmo"));
    await writeFile(join(directory, "_version.py"), '__version__ = "9.9.10"');
    const after = findArchitecture(await readArchitectures(directory), { model_type: "olmo" });
    expect(after).toMatchObject({ kind: "known" });
  });

  it("come with the ones an unknown name may mean", async () => {
    expect(await find({ model_type: "glm5_moe" })).toMatchObject({ near: ["glm4_moe", "glm_moe_dsa"] });
    expect(await find({ model_type: "lama" })).toMatchObject({ near: ["llama"] });
    expect(await find({ model_type: "completely_other" })).toMatchObject({ near: [] });
  });
});

describe("a tokenizer's own code", () => {
  it("is needed only where transformers knows neither its class nor the model's type", async () => {
    const architectures = await readArchitectures(await installedPackage());
    const facts = { className: "OwnTokenizer", hasOwnCode: true, hasChatTemplate: true };
    expect(needsTokenizerCode(architectures, facts, "kimi_k2")).toBe(true);
    expect(needsTokenizerCode(architectures, { ...facts, className: null }, "kimi_k2")).toBe(true);
    expect(needsTokenizerCode(architectures, { ...facts, hasOwnCode: false }, "kimi_k2")).toBe(false);
    expect(needsTokenizerCode(architectures, { ...facts, className: "Qwen2Tokenizer" }, "kimi_k2")).toBe(
      false,
    );
    expect(needsTokenizerCode(architectures, { ...facts, className: "LlamaTokenizerFast" }, "kimi_k2")).toBe(
      false,
    );
    expect(needsTokenizerCode(architectures, facts, "minimax_m2")).toBe(false);
  });
});
