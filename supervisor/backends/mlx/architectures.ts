import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ArchitectureFinding } from "../../policy/admission/architecture-finding.ts";
import type { JsonObject, TokenizerFacts } from "../../policy/admission/snapshot-facts.ts";
import { nearArchitectures } from "./near-architectures.ts";
import { type PythonClass, pythonClasses, siblingImports } from "./python-source.ts";

/** What one installed mlx_lm, and the transformers beside it, can load. Found by reading them, not by importing. */
export interface Architectures {
  /** Of mlx_lm. */
  readonly version: string;
  readonly modules: ReadonlyMap<string, Architecture>;
  /** Modules that are no architecture, such as `base` and `cache`. */
  readonly helpers: ReadonlySet<string>;
  /** Model types that load as another module. */
  readonly remapped: ReadonlyMap<string, string>;
  /** The same by `model_type` and an entry of `architectures`, joined by a space. */
  readonly remappedByClass: ReadonlyMap<string, string>;
  /** Tokenizer classes transformers has, without a trailing `Fast`. */
  readonly tokenizerClasses: ReadonlySet<string>;
  /** Model types for which transformers knows the tokenizer. */
  readonly tokenizerTypes: ReadonlySet<string>;
}

export interface Architecture {
  /** Fields of config.json that have no default. */
  readonly requiredFields: readonly string[];
  readonly readsFp8: boolean;
  /** A Python package its import cannot do without, and that is not installed. */
  readonly missingPackage: string | null;
}

const cache = new Map<string, Promise<Architectures>>();

/**
 * The architectures of an installed mlx_lm; read once per place and version.
 *
 * @param packageDirectory `…/site-packages/mlx_lm`
 * @throws the file system's error, when there is no such package
 */
export async function readArchitectures(packageDirectory: string): Promise<Architectures> {
  const source = await readFile(join(packageDirectory, "_version.py"), "utf8");
  const version = /__version__\s*=\s*["']([^"']+)["']/.exec(source)?.[1] ?? "unknown";
  const key = `${version} ${packageDirectory}`;
  const known = cache.get(key) ?? read(packageDirectory, version);
  cache.set(key, known);
  known.catch(() => cache.delete(key));
  return await known;
}

/** Which architecture a config asks for, by mlx_lm's own rules. */
export function findArchitecture(architectures: Architectures, config: JsonObject): ArchitectureFinding {
  const modelType = config.model_type;
  if (modelType === undefined) return { kind: "no-model-type" };
  if (typeof modelType !== "string")
    return { kind: "bad-model-type", found: JSON.stringify(modelType).slice(0, 80) };
  const { modules, helpers } = architectures;
  const module = moduleFor(architectures, modelType, config);
  const architecture = modules.get(module);
  if (architecture === undefined) {
    const near = nearArchitectures(modelType, [...modules.keys(), ...architectures.remapped.keys()]);
    return { kind: helpers.has(module) ? "helper" : "unknown", modelType, near };
  }
  if (architecture.missingPackage !== null)
    return { kind: "needs-package", modelType, package: architecture.missingPackage };
  const missingFields = architecture.requiredFields.filter((field) => !Object.hasOwn(config, field));
  return { kind: "known", modelType, module, missingFields, readsFp8: architecture.readsFp8 };
}

/** Whether the tokenizer can only be had by running code that comes with the model. */
export function needsTokenizerCode(
  { tokenizerClasses, tokenizerTypes }: Architectures,
  { className, hasOwnCode }: TokenizerFacts,
  modelType: string,
): boolean {
  if (!hasOwnCode || tokenizerTypes.has(modelType)) return false;
  return className === null || !tokenizerClasses.has(withoutFast(className));
}

function moduleFor(
  { remapped, remappedByClass }: Architectures,
  modelType: string,
  config: JsonObject,
): string {
  const said = config.architectures ?? [];
  const classes = Array.isArray(said) ? said : [said];
  const byClass = classes
    .map((name) => remappedByClass.get(`${modelType} ${name}`))
    .find((found) => found !== undefined);
  return byClass ?? remapped.get(modelType) ?? modelType;
}

async function read(packageDirectory: string, version: string): Promise<Architectures> {
  const sitePackages = dirname(packageDirectory);
  const [utils, modules, installed, tokenizers] = await Promise.all([
    readFile(join(packageDirectory, "utils.py"), "utf8"),
    readModules(join(packageDirectory, "models")),
    readdir(sitePackages),
    readTokenizers(join(sitePackages, "transformers")),
  ]);
  const names = [...modules.keys()];
  const isArchitecture = (name: string) =>
    ["Model", "ModelArgs"].every((part) => defines(modules.get(name), part));
  // Copied, because a word taken out of a text by a pattern keeps the whole text in memory, for as long as this is known.
  return structuredClone({
    version,
    modules: new Map(
      names.filter(isArchitecture).map((name) => [name, describe(name, modules, new Set(installed))]),
    ),
    helpers: new Set(names.filter((name) => !isArchitecture(name))),
    remapped: new Map(entries(utils, "MODEL_REMAPPING", /"([^"]+)":\s*"([^"]+)"/g)),
    remappedByClass: new Map(
      entries(utils, "MODEL_ARCHITECTURE_REMAPPING", /\("([^"]+)",\s*"([^"]+)"\):\s*"([^"]+)"/g),
    ),
    ...tokenizers,
  });
}

/** Pairs of a dictionary written at a module's top level; of three groups the first two are the key. */
function entries(source: string, name: string, entry: RegExp): [string, string][] {
  const body = new RegExp(`^${name}[^=\\n]*=[^{\\n]*\\{([\\s\\S]*?)^\\}`, "m").exec(source)?.[1] ?? "";
  return [...body.matchAll(entry)].map((match) => {
    const parts = match.slice(1);
    return [parts.slice(0, -1).join(" "), parts.at(-1) ?? ""];
  });
}

interface Module {
  readonly source: string;
  readonly classes: readonly PythonClass[];
  readonly imports: ReturnType<typeof siblingImports>;
}

async function readModules(directory: string): Promise<Map<string, Module>> {
  const modules = new Map<string, Module>();
  const names = (await readdir(directory)).filter((name) => name.endsWith(".py")).toSorted();
  for (const name of names) {
    // One after the other: parsing all at once would hold the event loop.
    const source = await readFile(join(directory, name), "utf8");
    const module = { source, classes: pythonClasses(source), imports: siblingImports(source) };
    modules.set(name.slice(0, -".py".length), module);
  }
  return modules;
}

function defines(module: Module | undefined, name: string): boolean {
  return [...(module?.classes ?? []), ...(module?.imports ?? [])].some((known) => known.name === name);
}

function describe(
  name: string,
  modules: ReadonlyMap<string, Module>,
  installed: ReadonlySet<string>,
): Architecture {
  const module = modules.get(name);
  const optional = /^try:\s*\n\s+import (\w+)[^\n]*\nexcept ImportError:[\s\S]{0,400}?sys\.exit\(/m.exec(
    module?.source ?? "",
  );
  const needed = optional?.[1] ?? null;
  return {
    requiredFields: requiredFields("ModelArgs", name, modules) ?? [],
    readsFp8: readsFp8(name, modules, new Set()),
    missingPackage:
      needed !== null && !installed.has(needed) && !installed.has(`${needed}.py`) ? needed : null,
  };
}

/** Null: what the class needs cannot be read from its fields. */
function requiredFields(
  className: string,
  moduleName: string,
  modules: ReadonlyMap<string, Module>,
  depth = 0,
): string[] | null {
  if (className === "BaseModelArgs") return [];
  const module = modules.get(moduleName);
  const found = module?.classes.find(({ name }) => name === className);
  if (module === undefined || depth > 4) return null;
  if (found === undefined) {
    const imported = module.imports.find(({ name }) => name === className);
    return imported === undefined
      ? null
      : requiredFields(imported.original, imported.module, modules, depth + 1);
  }
  // Its own way to read a config may fill in what is missing.
  if (found.methods.includes("from_dict") && found.bases.length > 0) return null;
  const inherited = found.bases.map((base) => {
    const [prefix = "", name] = base.split(".");
    return requiredFields(name ?? prefix, name === undefined ? moduleName : prefix, modules, depth + 1);
  });
  if (inherited.includes(null)) return null;
  const fields = new Map(inherited.flat().map((name) => [name, true]));
  for (const { name, isRequired } of found.fields) fields.set(name ?? "", isRequired);
  return [...fields].filter(([, isRequired]) => isRequired).map(([name]) => name ?? "");
}

function readsFp8(name: string, modules: ReadonlyMap<string, Module>, seen: Set<string>): boolean {
  if (seen.has(name)) return false;
  seen.add(name);
  const module = modules.get(name);
  if (module === undefined) return false;
  return (
    /weight_scale_inv|from_fp8/.test(module.source) ||
    module.imports.some((from) => readsFp8(from.module, modules, seen))
  );
}

/** Without transformers no tokenizer of the model's own counts as known. */
async function readTokenizers(
  transformers: string,
): Promise<Pick<Architectures, "tokenizerClasses" | "tokenizerTypes">> {
  const source = await readFile(join(transformers, "models", "auto", "tokenization_auto.py"), "utf8").catch(
    () => "",
  );
  const mapping = /^TOKENIZER_MAPPING_NAMES[\s\S]*?^\)/m.exec(source)?.[0] ?? "";
  const pairs = [...mapping.matchAll(/\(\s*"([\w-]+)",\s*"(\w+)"/g)];
  const wrong = /^MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS[\s\S]*?^\}/m.exec(source)?.[0] ?? "";
  const generic = ["PreTrainedTokenizer", "TokenizersBackend", "PythonBackend", "SentencePieceBackend"];
  return {
    tokenizerClasses: new Set([...pairs.map(([, , name = ""]) => withoutFast(name)), ...generic]),
    tokenizerTypes: new Set([
      ...pairs.map(([, type = ""]) => type),
      ...[...wrong.matchAll(/"([\w-]+)"/g)].map(([, type = ""]) => type),
    ]),
  };
}

function withoutFast(className: string): string {
  return className.replace(/Fast$/, "");
}
