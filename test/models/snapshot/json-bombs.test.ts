import { describe, expect, it } from "vitest";
import { inspectSnapshot } from "../../../supervisor/models/snapshot/inspect-snapshot.ts";
import { MOST_VALUES } from "../../../supervisor/models/snapshot/json-tree.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { GENEROUS_TURN_MS, measureInspection } from "./measure-inspection.ts";
import { writeSnapshot } from "./snapshot-directory.ts";

/** Just below what is read of a file at all. */
const BOMB_BYTES = 15 * 1024 * 1024;
/** Parsed at once, the first of the bombs takes 600. */
const MOST_MEGABYTES = 150;

/** A list, or an object, of as many items as the bytes allow. */
function filled(item: (index: number) => string, [open, close] = ["[", "]"]): string {
  const items: string[] = [];
  for (let index = 0, bytes = 0; bytes < BOMB_BYTES; index += 1) {
    const text = item(index);
    items.push(text);
    bytes += Buffer.byteLength(text) + 1;
  }
  return `${open}${items.join(",")}${close}`;
}

const BOMBS: readonly (readonly [kind: string, text: () => string])[] = [
  ["objects with a number as key", () => filled(() => '{"34":0}')],
  ["empty objects", () => filled(() => "{}")],
  ["empty lists", () => filled(() => "[]")],
  ["numbers", () => filled(() => "0")],
  ["keys that are all different", () => filled((index) => `"k${index}":0`, ["{", "}"])],
  ["keys that are numbers", () => filled((index) => `"${index}":0`, ["{", "}"])],
  ["lists inside lists", () => "[".repeat(BOMB_BYTES)],
  ["objects inside objects", () => '{"a":'.repeat(BOMB_BYTES / 5)],
  ["one text", () => JSON.stringify("x".repeat(BOMB_BYTES))],
  ["texts longer than any", () => filled(() => JSON.stringify("漢".repeat(900_000)))],
];

describe("15 MiB of JSON in the place of a file", () => {
  it.each(BOMBS)("config.json: %s are refused before they are built", async (_, text) => {
    const path = await writeSnapshot(await temporaryDirectory(), { "config.json": text() });
    const cost = await measureInspection(path, { rounds: 1 });
    expect(cost.kinds).toEqual(["config-unreadable"]);
    expect(cost.grownMegabytes).toBeLessThan(MOST_MEGABYTES);
    expect(cost.longestTurnMs).toBeLessThan(GENEROUS_TURN_MS);
  });

  it.each([
    ["generation_config.json", (bomb: string) => bomb, ["generation-config-unreadable"]],
    // It is looked at only where config.json says nothing of a quantisation.
    ["hf_quant_config.json", (bomb: string) => bomb, []],
    [
      "tokenizer_config.json",
      (bomb: string) => `{"chat_template":${bomb}}`,
      ["tokenizer-unreadable", "chat-template-missing"],
    ],
    [
      "tokenizer_config.json",
      (bomb: string) => `{"added_tokens_decoder":${bomb}}`,
      ["chat-template-missing"],
    ],
    ["tokenizer.json", (bomb: string) => `{"model":{},"added_tokens":${bomb}}`, []],
    ["model.safetensors.index.json", (bomb: string) => `{"weight_map":${bomb}}`, []],
  ])("%s is bounded as well", async (name, around, kinds) => {
    const text = around(filled(() => '{"34":0}'));
    const path = await writeSnapshot(await temporaryDirectory(), { [name]: text });
    const cost = await measureInspection(path, { rounds: 1 });
    expect(cost.kinds).toEqual(kinds);
    expect(cost.grownMegabytes).toBeLessThan(MOST_MEGABYTES);
    expect(cost.longestTurnMs).toBeLessThan(GENEROUS_TURN_MS);
  });

  it("tokens added by the million are refused before they are kept", async () => {
    const text = `{"model":{},"added_tokens":${filled(() => '{"id":1,"content":"x"}')}}`;
    const path = await writeSnapshot(await temporaryDirectory(), { "tokenizer.json": text });
    const cost = await measureInspection(path, { rounds: 1 });
    expect(cost.kinds).toEqual(["tokenizer-unreadable"]);
    expect(cost.grownMegabytes).toBeLessThan(MOST_MEGABYTES);
  });
});

describe("a config of many values", () => {
  const config = (modules: number) =>
    JSON.stringify({
      model_type: "llama",
      num_hidden_layers: 2,
      eos_token_id: 0,
      quantization_config: { ignore: Array.from({ length: modules }, (_, index) => `model.layers.${index}`) },
    });
  const problemsOf = async (modules: number) => {
    const path = await writeSnapshot(await temporaryDirectory(), { "config.json": config(modules) });
    return (await inspectSnapshot(path)).problems;
  };

  it("is read when it names every expert of the largest models", async () => {
    expect(await problemsOf(70_000)).toEqual([]);
  });

  it("beyond every model is refused by its number", async () => {
    expect(await problemsOf(MOST_VALUES)).toEqual([
      { kind: "config-unreadable", detail: `more than ${MOST_VALUES} values, which no model needs` },
    ]);
  });
});

describe("a chat template", () => {
  it.each([
    ["of a hundred thousand blocks", "{%if%}".repeat(100_000)],
    ["of a tag that is nearly all blanks", `{%set${" ".repeat(900_000)}%}`],
    ["of nothing but brackets", `{{${"(".repeat(900_000)}`],
  ])("%s lets others run", async (_, template) => {
    const path = await writeSnapshot(await temporaryDirectory(), { "chat_template.jinja": template });
    const cost = await measureInspection(path, { rounds: 1 });
    expect(cost.kinds).toEqual(["chat-template-bad"]);
    expect(cost.longestTurnMs).toBeLessThan(GENEROUS_TURN_MS);
  });

  it("longer than any other is refused", async () => {
    const template = "x".repeat(1_100_000);
    const path = await writeSnapshot(await temporaryDirectory(), { "chat_template.jinja": template });
    const [problem] = (await inspectSnapshot(path)).problems;
    expect(problem).toMatchObject({ kind: "chat-template-bad", file: "chat_template.jinja" });
  });
});
