import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { JsonMeter, measureJson } from "../../supervisor/json/json-meter.ts";

const measure = (text: string) => measureJson(Buffer.from(text));

describe("what a JSON text would become", () => {
  it("is counted by kind", () => {
    expect(measure('{"a":[1,-2.5e3,"x",true,null],"b":{"c":{}}}')).toMatchObject({
      objects: 3,
      arrays: 1,
      keys: 3,
      scalars: 5,
      values: 9,
      depth: 3,
    });
  });

  it("does not take punctuation inside a string for structure", () => {
    expect(measure('["{[,:\\"]}", "\\\\", "a:b"]')).toMatchObject({ objects: 0, arrays: 1, scalars: 3 });
  });

  it("is the same however the text is cut", () => {
    const bytes = Buffer.from('{"34":[0,"é\\u6f22漢",{"k":false}],"x":"\\\\"}');
    const whole = measureJson(bytes);
    for (let size = 1; size < bytes.length; size += 1) {
      const meter = new JsonMeter();
      for (let at = 0; at < bytes.length; at += size) meter.feed(bytes.subarray(at, at + size));
      expect(meter).toMatchObject({ values: whole.values, heapBytes: whole.heapBytes, depth: whole.depth });
    }
  });

  it("survives what is no JSON", () => {
    for (const text of ["", "]]]]", '"', ":::", '{"a":', "[".repeat(100_000), '"\\'])
      expect(measure(text).bytes).toBe(text.length);
  });

  it.each([
    ["empty objects", "{}"],
    ["empty arrays", "[]"],
    ["one small number as key", '{"34":0}'],
    ["a large number as key", '{"70001":0}'],
    ["keys that are all different", '{"key#":0}'],
    ["numbers as keys that are all different", '{"#":0}'],
    ["many members", '{"a":0,"b":0.5,"c":"d","e":[0],"f":{"g":true}}'],
    ["numbers", "0"],
    ["fractions", "0.5"],
    ["strings that are all different", '"s#"'],
    ["strings of wide characters", '"漢字漢字漢字漢字#"'],
    ["escaped wide characters", '"\\u6f22\\u6f22\\u6f22#"'],
    ["nested arrays", "[[[[0]]]]"],
    ["turns of a conversation", '{"role":"user","content":"word word word #"}'],
  ])("is not less than what V8 takes for %s", (_, item) => {
    const items = Array.from({ length: 20_000 }, (_, index) => item.replaceAll("#", String(index * 7)));
    const text = `[${items.join(",")}]`;
    expect(parsedHeapBytes(text)).toBeLessThanOrEqual(measure(text).heapBytes);
  });
});

/** What the parsed value keeps of the heap, in a process that does nothing else. */
function parsedHeapBytes(text: string): number {
  const program = `
    const text = require("node:fs").readFileSync(0, "utf8");
    gc(); gc();
    const before = process.memoryUsage().heapUsed;
    globalThis.kept = JSON.parse(text);
    gc(); gc();
    console.log(process.memoryUsage().heapUsed - before);`;
  return Number(execFileSync(process.execPath, ["--expose-gc", "-e", program], { input: text }).toString());
}
