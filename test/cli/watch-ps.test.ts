import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { errorBody, fakeSupervisor, model, modelList } from "./fake-supervisor.ts";
import { FakeTerminal } from "./fake-terminal.ts";
import { lmx } from "./lmx.ts";

const ENTER_SCREEN = "\u001b[?1049h";
const LEAVE_SCREEN = "\u001b[?1049l";

/** Shows one list after the other, the last one for ever. */
function changing(...lists: (ReturnType<typeof modelList> | "down")[]) {
  let shown = 0;
  return fakeSupervisor(() => {
    const list = lists[Math.min(shown, lists.length - 1)] ?? "down";
    shown += 1;
    return list === "down"
      ? { status: 503, body: errorBody("server_is_overloaded", "The server is draining.") }
      : { status: 200, body: list };
  });
}

/** Pauses that end the endless after so many. */
function pauses(count: number): () => Promise<void> {
  let left = count;
  return async () => {
    left -= 1;
    if (left < 0) throw new Error("enough");
  };
}

const loading = modelList(model("org/a", "loading"));
const routable = modelList(model("org/a", "routable"));

describe("ps --watch on a terminal", () => {
  it("draws on a screen of its own until q, and leaves the last picture behind", async () => {
    const { url } = await changing(loading, loading, routable);
    const terminal = new FakeTerminal();
    const { stdin, stdout } = terminal;
    const ended = lmx(["ps", "--watch", "--url", url], { NO_COLOR: "1" }, { stdin, stdout });
    await terminal.shows(ENTER_SCREEN);
    await terminal.shows("loading");
    await terminal.shows("routable");
    expect(terminal.isRaw).toBe(true);
    terminal.type("q");
    expect((await ended).code).toBe(0);
    expect(terminal.isRaw).toBe(false);
    const after = terminal.shown.slice(terminal.shown.indexOf(LEAVE_SCREEN) + LEAVE_SCREEN.length);
    expect(after).toMatch(/^MODEL .*\norg\/a {2}routable/);
  });

  it("Ctrl-C leaves too, at once, while the next picture is still to come", async () => {
    const { url } = await changing(routable);
    const terminal = new FakeTerminal();
    const { stdin, stdout } = terminal;
    const delay = () => new Promise<void>(() => {});
    const ended = lmx(["ps", "-w", "--url", url], {}, { stdin, stdout, delay });
    await terminal.shows("org/a");
    terminal.type("\u0003");
    expect((await ended).code).toBe(0);
  });

  it("stays within the terminal", async () => {
    const many = modelList(
      ...Array.from({ length: 30 }, (_, index) => model(`org/model-${index}`, "routable")),
    );
    const { url } = await changing(many);
    const terminal = new FakeTerminal({ columns: 20, rows: 8 });
    const { stdin, stdout } = terminal;
    const ended = lmx(["ps", "-w", "--url", url], {}, { stdin, stdout });
    await terminal.shows("27 more lines");
    const picture = terminal.shown.split("\r\n");
    terminal.type("q");
    await ended;
    expect(picture.findIndex((line) => line.includes("more lines"))).toBe(6);
    const visible = (line: string) => stripVTControlCharacters(line);
    for (const line of picture) expect(visible(line).length, line).toBeLessThanOrEqual(20);
  });

  it("goes on when the supervisor goes away and comes back", async () => {
    const { url } = await changing(routable, "down", "down", routable);
    const terminal = new FakeTerminal();
    const { stdin, stdout } = terminal;
    const ended = lmx(["ps", "-w", "--url", url], {}, { stdin, stdout });
    await terminal.shows("org/a");
    await terminal.shows("The server is draining.");
    await terminal.shows("org/a");
    terminal.type("q");
    expect((await ended).code).toBe(0);
  });
});

describe("ps --watch into a pipe", () => {
  it("prints once per change", async () => {
    const { url } = await changing(loading, loading, routable, routable);
    const { out } = await lmx(["ps", "--watch", "--url", url], {}, { delay: pauses(5) });
    expect(out.match(/^org\/a/gm)).toHaveLength(2);
    expect(out).not.toContain("\u001b");
  });

  it("--json prints a line per change", async () => {
    const { url } = await changing(loading, routable, "down");
    const { out } = await lmx(["ps", "--watch", "--json", "--url", url], {}, { delay: pauses(3) });
    const lines = out
      .split("\n")
      .slice(0, 3)
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      loading,
      routable,
      { error: expect.objectContaining({ code: "server_is_overloaded" }) },
    ]);
  });

  it("fails when nobody answers at first", async () => {
    const { url } = await changing("down");
    expect((await lmx(["ps", "--watch", "--url", url])).code).toBe(75);
  });
});
