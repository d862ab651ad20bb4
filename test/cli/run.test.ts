import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { CliInput } from "../../supervisor/cli/command.ts";
import { fakeChat } from "./fake-chat.ts";
import { errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { FakeTerminal } from "./fake-terminal.ts";
import { lmx } from "./lmx.ts";

const HELLO = [{ text: "Hel" }, { text: "lo." }, { finish: "stop" }];

function piped(text: string): CliInput {
  return Readable.from([Buffer.from(text)]);
}

describe("one answer", () => {
  it("prints only the answer, whatever the model thought before", async () => {
    const { url, requests } = await fakeChat([{ reasoning: "hm\n" }, { text: "\n\n" }, ...HELLO]);
    const { code, out, err } = await lmx(["run", "m", "Say", "hello", "--url", url]);
    expect([code, out, err]).toEqual([0, "Hello.\n", ""]);
    expect(requests[0]?.body).toEqual({
      model: "m",
      messages: [{ role: "user", content: "Say hello" }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it("loads the model first", async () => {
    const { url, paths } = await fakeChat(HELLO);
    await lmx(["run", "m", "hi", "--url", url]);
    expect(paths).toEqual(["/admin/models/load", "/v1/chat/completions"]);
  });

  it("hands on what the options say, and the key", async () => {
    const { url, requests } = await fakeChat(HELLO);
    const options = ["--system", "Be brief.", "--temperature", "0.5", "--max-tokens", "9", "--seed", "7"];
    await lmx(["run", "m", "hi", ...options, "--url", url], { OPTA_LMX_API_KEYS: "key-of-the-api, other" });
    expect(requests[0]).toMatchObject({
      key: "Bearer key-of-the-api",
      body: { temperature: 0.5, max_completion_tokens: 9, seed: 7 },
    });
    expect(requests[0]?.body.messages[0]).toEqual({ role: "system", content: "Be brief." });
  });

  it.each([
    [["run", "m"], "Count to ten\n", "Count to ten"],
    [["run", "m", "Shorten:"], "a\nb\n", "Shorten:\n\na\nb"],
    [["run", "m", "Alone"], "\n", "Alone"],
  ])("%j with %j piped in asks %j", async (args, text, prompt) => {
    const { url, requests } = await fakeChat(HELLO);
    await lmx([...args, "--url", url], {}, { stdin: piped(text) });
    expect(requests[0]?.body.messages).toEqual([{ role: "user", content: prompt }]);
  });

  it("on a terminal shows the reasoning too, dim and on lines of its own", async () => {
    const { url } = await fakeChat([{ reasoning: "Let me see" }, { text: "\n4" }, { finish: "stop" }]);
    const coloured = new FakeTerminal();
    await lmx(["run", "m", "2+2?", "--url", url], {}, { stdout: coloured.stdout });
    expect(coloured.shown).toBe("\u001b[2mLet me see\u001b[22m\n\n4\n");
    const colourless = new FakeTerminal();
    await lmx(["run", "m", "2+2?", "--url", url], { NO_COLOR: "1" }, { stdout: colourless.stdout });
    expect(colourless.shown).toBe("Let me see\n\n4\n");
  });

  it("--json prints one document", async () => {
    const { url } = await fakeChat([{ reasoning: "hm" }, { text: "yes" }, { finish: "length", tokens: 5 }]);
    expect(JSON.parse((await lmx(["run", "m", "hi", "--json", "--url", url])).out)).toEqual({
      model: "m",
      content: "yes",
      reasoning: "hm",
      finish_reason: "length",
      usage: { prompt_tokens: 3, completion_tokens: 5 },
    });
  });

  it("what a model writes cannot steer the terminal", async () => {
    const { url } = await fakeChat([{ text: "a\u001b]0;owned\u0007\u009b2J\tb\n" }, { finish: "stop" }]);
    expect((await lmx(["run", "m", "hi", "--url", url])).out).toBe("a\ufffd]0;owned\ufffd\ufffd2J\tb\n");
  });
});

describe("when there is no answer", () => {
  it.each([
    ["an error in the middle", [{ text: "a" }, { error: "The worker died." }], 1, "The worker died."],
    ["a stream that breaks off", [{ text: "a" }, "break" as const], 75, "broke off; ask again"],
  ])("%s is told and has its exit code", async (_, script, exitCode, message) => {
    const { url } = await fakeChat(script);
    const { code, err } = await lmx(["run", "m", "hi", "--url", url]);
    expect(code).toBe(exitCode);
    expect(err).toContain(message);
  });

  it("an unknown model exits 66 with the API's hint", async () => {
    const { url } = await fakeSupervisor(() => ({
      status: 404,
      body: errorBody("model_not_found", 'No model named "mm". Did you mean m?'),
    }));
    expect(await lmx(["run", "mm", "hi", "--url", url])).toMatchObject({
      code: 66,
      err: expect.stringContaining("Did you mean m?"),
    });
  });

  it("without the admin key the model is not loaded but asked; with a wrong one that is said", async () => {
    const asked: string[] = [];
    const { url } = await fakeSupervisor(({ path }) => {
      asked.push(path);
      return path.startsWith("/admin")
        ? { status: 401, body: errorBody("invalid_api_key", "Expected an admin key.") }
        : { status: 401, body: errorBody("invalid_api_key", "Expected a key.") };
    });
    const locked = await lmx(["run", "m", "hi", "--url", url]);
    expect(locked).toMatchObject({
      code: 77,
      err: expect.stringContaining("--api-key or OPTA_LMX_API_KEYS"),
    });
    expect(asked).toEqual(["/admin/models/load", "/v1/chat/completions"]);
    const wrong = await lmx(["run", "m", "hi", "--url", url, "--admin-key", "wrong"]);
    expect(wrong).toMatchObject({ code: 77, err: expect.stringContaining("--admin-key") });
  });

  it.each([
    [["run", "m"], "A conversation needs a terminal"],
    [["run", "m", " "], "The prompt is empty."],
    [["run", "m", "hi", "--temperature", "warm"], "--temperature: expected a number from 0 to 2, got"],
    [["run", "m", "hi", "--temperature", ""], "--temperature: expected a number"],
    [["run", "m", "hi", "--max-tokens", "1.5"], "--max-tokens: expected a whole number from 1"],
    [["run", "m", "hi", "--seed", "-1"], "argument"],
  ])("%j is explained and exits 64", async (args, message) => {
    const { code, err } = await lmx([...args, "--url", "http://127.0.0.1:9"]);
    expect([code, err]).toEqual([64, expect.stringContaining(message)]);
  });
});
