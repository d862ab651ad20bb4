import type {
  JsonObject,
  JsonValue,
  SnapshotProblem,
  TokenizerFacts,
} from "../../policy/admission/snapshot-facts.ts";
import { isObject } from "./json-object.ts";
import { readJson, readText, scanFile } from "./read-json.ts";
import type { SnapshotRoom } from "./snapshot-room.ts";
import { templateFault } from "./template-syntax.ts";
import { type AddedToken, TokenizerReader } from "./tokenizer-reader.ts";

/** Files that hold a vocabulary. Without any, some architectures load with an invented, empty tokenizer. */
const VOCABULARY =
  /^(?:tokenizer\.json|tekken\.json|.*vocab.*\.(?:json|txt|jsonl)|.*\.(?:model|tiktoken|bpe|spm))$/;

/** Of tokenizer_config.json; the tokens it lists beside that may be a hundred thousand. */
const OF_TOKENIZER: ReadonlySet<string> = new Set(["tokenizer_class", "auto_map", "chat_template"]);
/** Characters; the longest templates that are published have some hundred thousand. */
const MAX_TEMPLATE = 1024 * 1024;
/** Characters of a class name that are shown. */
const MAX_CLASS_NAME = 120;

export interface TokenizerReading {
  readonly facts: TokenizerFacts;
  readonly problems: readonly SnapshotProblem[];
  /** Of the vocabulary proper; null: not known without loading the tokenizer. */
  readonly largestId: number | null;
  readonly added: readonly AddedToken[];
  /** Every chat template's text in a row. */
  readonly templates: string;
}

/** What the tokenizer's files say, as far as reading them can tell. */
export async function readTokenizer(room: SnapshotRoom): Promise<TokenizerReading> {
  const problems: SnapshotProblem[] = [];
  const hasVocabulary = [...room.listing.values()].some(
    ({ name, kind }) => kind === "file" && VOCABULARY.test(name),
  );
  if (!hasVocabulary) problems.push({ kind: "tokenizer-missing" });
  const vocabulary = await readVocabulary(room, problems);
  const config = await readTokenizerConfig(room, problems);
  const templates = await readTemplates(room, config, problems);
  for (const { file, text } of templates) {
    const fault = text.length > MAX_TEMPLATE ? tooLong(text) : templateFault(text);
    if (fault !== null) problems.push({ kind: "chat-template-bad", file, detail: fault });
    // Each time: there may be many of them.
    await room.pacer.pause();
  }
  if (templates.length === 0) problems.push({ kind: "chat-template-missing" });
  const facts = {
    className:
      typeof config.tokenizer_class === "string" ? config.tokenizer_class.slice(0, MAX_CLASS_NAME) : null,
    hasOwnCode: namesTokenizer(config.auto_map),
    hasChatTemplate: templates.length > 0,
  };
  return { facts, problems, ...vocabulary, templates: templates.map(({ text }) => text).join("\n") };
}

async function readVocabulary(
  { listing, files, pacer }: SnapshotRoom,
  problems: SnapshotProblem[],
): Promise<{ largestId: number | null; added: readonly AddedToken[] }> {
  const file = listing.get("tokenizer.json");
  if (file === undefined) return { largestId: null, added: [] };
  const reader = new TokenizerReader();
  const outcome = await scanFile(file, reader, files, pacer);
  const detail = outcome.kind === "unreadable" ? outcome.detail : reader.hasModel ? null : "it has no model";
  if (detail === null)
    return { largestId: reader.largestId === -1 ? null : reader.largestId, added: reader.added };
  problems.push({ kind: "tokenizer-unreadable", file: file.name, detail });
  return { largestId: null, added: [] };
}

async function readTokenizerConfig(
  { listing, files, pacer }: SnapshotRoom,
  problems: SnapshotProblem[],
): Promise<JsonObject> {
  const file = listing.get("tokenizer_config.json");
  if (file === undefined) return {};
  const outcome = await readJson(file, files, pacer, OF_TOKENIZER);
  if (outcome.kind === "read" && isObject(outcome.value)) return outcome.value;
  const detail = outcome.kind === "unreadable" ? outcome.detail : "it does not hold an object";
  problems.push({ kind: "tokenizer-unreadable", file: file.name, detail });
  return {};
}

interface Template {
  readonly file: string;
  readonly text: string;
}

async function readTemplates(
  { listing, files }: SnapshotRoom,
  config: JsonObject,
  problems: SnapshotProblem[],
): Promise<Template[]> {
  const own = listing.get("chat_template.jinja");
  // It replaces what tokenizer_config.json says.
  if (own === undefined)
    return templatesIn(config.chat_template).map((text) => ({ file: "tokenizer_config.json", text }));
  const outcome = await readText(own, files);
  if (outcome.kind === "read") return [{ file: own.name, text: outcome.value }];
  problems.push({ kind: "chat-template-bad", file: own.name, detail: outcome.detail });
  return [];
}

function tooLong(template: string): string {
  return `${template.length} characters, more than any model needs (${MAX_TEMPLATE})`;
}

/** One template, or several by name. */
function templatesIn(value: JsonValue | undefined): string[] {
  if (typeof value === "string") return value === "" ? [] : [value];
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry) =>
    isObject(entry) && typeof entry.template === "string" ? [entry.template] : [],
  );
}

/** `auto_map` of tokenizer_config.json: `{"AutoTokenizer": [slow, fast]}`, formerly the list alone. */
function namesTokenizer(autoMap: JsonValue | undefined): boolean {
  const own = isObject(autoMap) ? autoMap.AutoTokenizer : autoMap;
  return own !== undefined && own !== null;
}
