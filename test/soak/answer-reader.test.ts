import { describe, expect, it } from "vitest";
import { AnswerReader } from "./answer-reader.ts";

const content = (text: string) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content: text }, finish_reason: null }] })}\n\n`;
const finish = `data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: "stop" }] })}\n\n`;
const error = `data: ${JSON.stringify({ error: { code: "worker_crashed", message: "" } })}\n\n`;
const done = "data: [DONE]\n\n";

function readStream(...chunks: string[]) {
  const reader = new AnswerReader(200, "text/event-stream; charset=utf-8");
  for (const chunk of chunks) reader.push(chunk);
  return reader.finish();
}

describe("a streamed answer", () => {
  it("is read across any cut", () => {
    const whole = content("hello ") + content("world") + finish + done;
    for (let cut = 0; cut < whole.length; cut++)
      expect(readStream(whole.slice(0, cut), whole.slice(cut))).toEqual({
        answer: { status: 200, error: null, text: "hello world" },
        malformed: null,
      });
  });

  it("may end with one error instead", () => {
    expect(readStream(content("a"), ": keep-alive\n\n", error, done)).toEqual({
      answer: { status: 200, error: "worker_crashed", text: "a" },
      malformed: null,
    });
  });

  it.each([
    ["without an end", content("a") + done],
    ["without a terminator", content("a") + finish],
    ["with two ends", finish + error + done],
    ["with two terminators", finish + done + done],
    ["with what is not JSON", `data: {"choices\n\n${finish}${done}`],
  ])("%s is malformed", (_, text) => {
    expect(readStream(text).malformed).not.toBeNull();
  });
});

describe("a whole answer", () => {
  it("is text or an error with a code", () => {
    const reader = new AnswerReader(200, "application/json");
    reader.push(JSON.stringify({ choices: [{ message: { content: "hi" }, finish_reason: "stop" }] }));
    expect(reader.finish()).toEqual({ answer: { status: 200, error: null, text: "hi" }, malformed: null });
    const refused = new AnswerReader(404, "application/json");
    refused.push(JSON.stringify({ error: { code: "not_found" } }));
    expect(refused.finish().answer.error).toBe("not_found");
  });

  it("cut short is malformed", () => {
    const cut = new AnswerReader(200, "application/json");
    cut.push('{"choices": [');
    expect(cut.finish().malformed).not.toBeNull();
  });
});
