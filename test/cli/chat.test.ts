import { describe, expect, it } from "vitest";
import { fakeChat } from "./fake-chat.ts";
import { FakeTerminal } from "./fake-terminal.ts";
import { lmx } from "./lmx.ts";

const ENTER = "\r";
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const PROMPT = ">>> ";

function talk(url: string, ...options: string[]) {
  const terminal = new FakeTerminal();
  const { stdin, stdout } = terminal;
  const ended = lmx(["run", "m", "--url", url, ...options], { NO_COLOR: "1" }, { stdin, stdout });
  return { terminal, ended };
}

const answer = (text: string) => [{ text }, { finish: "stop" }];

describe("a conversation", () => {
  it("keeps what was said, and the system prompt before it", async () => {
    const { url, requests } = await fakeChat(answer("one"), answer("two"));
    const { terminal, ended } = talk(url, "--system", "Be brief.");
    await terminal.shows(PROMPT);
    terminal.type(`first${ENTER}`);
    await terminal.shows("one\n");
    await terminal.shows(PROMPT);
    terminal.type(`second${ENTER}`);
    await terminal.shows("two\n");
    await terminal.shows(PROMPT);
    terminal.type(CTRL_D);
    expect((await ended).code).toBe(0);
    expect(requests[1]?.body.messages).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "first" },
      { role: "assistant", content: "one" },
      { role: "user", content: "second" },
    ]);
  });

  it("Ctrl-C stops the answer on the server too, and a second one leaves", async () => {
    const { url, left, requests } = await fakeChat([{ text: "endless" }, "hang"], answer("again"));
    const { terminal, ended } = talk(url);
    await terminal.shows(PROMPT);
    terminal.type(`go${ENTER}`);
    await terminal.shows("endless");
    terminal.type(CTRL_C);
    await left;
    await terminal.shows("stopped");
    await terminal.shows(PROMPT);
    terminal.type(`more${ENTER}`);
    await terminal.shows("again");
    await terminal.shows(PROMPT);
    expect(requests[1]?.body.messages.map(({ content }) => content)).toEqual(["go", "endless", "more"]);
    terminal.type(CTRL_C);
    expect((await ended).code).toBe(0);
    expect(terminal.isRaw).toBe(false);
  });

  it("Ctrl-C with something typed gives up the line, not the conversation", async () => {
    const { url, requests } = await fakeChat(answer("fine"));
    const { terminal, ended } = talk(url);
    await terminal.shows(PROMPT);
    terminal.type(`wrong${CTRL_C}`);
    await terminal.shows("\n");
    await terminal.shows(PROMPT);
    terminal.type(`right${ENTER}`);
    await terminal.shows("fine");
    await terminal.shows(PROMPT);
    terminal.type(CTRL_C);
    await ended;
    expect(requests.map(({ body }) => body.messages.at(-1)?.content)).toEqual(["right"]);
  });

  it("a question that failed is told and not remembered", async () => {
    const { url, requests } = await fakeChat([{ error: "The worker died." }], answer("fine"));
    const { terminal, ended } = talk(url);
    await terminal.shows(PROMPT);
    terminal.type(`first${ENTER}`);
    await terminal.shows("The worker died.");
    await terminal.shows(PROMPT);
    terminal.type(`second${ENTER}`);
    await terminal.shows("fine");
    terminal.type(CTRL_D);
    await ended;
    expect(requests[1]?.body.messages).toEqual([{ role: "user", content: "second" }]);
  });

  it("what is typed during an answer is not mixed into it, and is asked next", async () => {
    const { url, requests } = await fakeChat([{ text: "busy" }, "hang"], answer("next"));
    const { terminal, ended } = talk(url);
    await terminal.shows(PROMPT);
    terminal.type(`first${ENTER}`);
    await terminal.shows("busy");
    const before = terminal.shown;
    terminal.type(`second${ENTER}`);
    terminal.type(CTRL_C);
    await terminal.shows("stopped");
    expect(terminal.shown.slice(before.length, terminal.shown.indexOf("stopped"))).not.toContain("second");
    await terminal.shows("next");
    terminal.type(CTRL_D);
    await ended;
    expect(requests[1]?.body.messages.at(-1)?.content).toBe("second");
  });

  it("pasted lines are one message, and so are lines continued with a backslash", async () => {
    const { url, requests } = await fakeChat(answer("ok"));
    const { terminal, ended } = talk(url);
    await terminal.shows(PROMPT);
    terminal.type(`\u001b[200~one\rtwo\u001b[201~${ENTER}`);
    await terminal.shows("ok");
    await terminal.shows(PROMPT);
    terminal.type(`three \\${ENTER}`);
    await terminal.shows("... ");
    terminal.type(`four${ENTER}`);
    await terminal.shows("ok");
    terminal.type(CTRL_D);
    await ended;
    expect(requests.map(({ body }) => body.messages.at(-1)?.content)).toEqual(["one\ntwo", "three \nfour"]);
    // The terminal was asked to mark pastes, and in the end no longer to.
    expect(terminal.shown.indexOf("\u001b[?2004h")).toBe(0);
    expect(terminal.shown).toContain("\u001b[?2004l");
  });
});

describe("commands inside", () => {
  it("/clear forgets, /help lists, an unknown one is not sent, /exit leaves", async () => {
    const { url, requests } = await fakeChat(answer("ok"));
    const { terminal, ended } = talk(url);
    await terminal.shows(PROMPT);
    terminal.type(`first${ENTER}`);
    await terminal.shows("ok");
    await terminal.shows(PROMPT);
    terminal.type(`/help${ENTER}`);
    await terminal.shows("/clear");
    await terminal.shows(PROMPT);
    terminal.type(`/cler${ENTER}`);
    await terminal.shows("There is no /cler");
    await terminal.shows(PROMPT);
    terminal.type(`/clear${ENTER}`);
    await terminal.shows("forgotten");
    await terminal.shows(PROMPT);
    terminal.type(`/etc/hosts is what?${ENTER}`);
    await terminal.shows("ok");
    await terminal.shows(PROMPT);
    terminal.type(`/exit${ENTER}`);
    expect((await ended).code).toBe(0);
    expect(requests.map(({ body }) => body.messages)).toEqual([
      [{ role: "user", content: "first" }],
      [{ role: "user", content: "/etc/hosts is what?" }],
    ]);
  });
});
