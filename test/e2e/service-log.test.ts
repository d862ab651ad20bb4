import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { waitUntil } from "../chaos/wait-until.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";

const SERVICE = /^(?:service |configuration |the last start)/;

/** What the log on disk says of the service itself. */
function linesOf({ home }: RunningSupervisor): { msg: string }[] {
  const text = readFileSync(join(home, "logs", "supervisor.log"), "utf8");
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line)).filter(({ msg }) => SERVICE.test(msg));
}

it("the log tells of the service's own life: starts, stops, and an end it could not tell of", async () => {
  const config = "auto_load: []\n";
  const first = await RunningSupervisor.start({ config, routable: [] });
  onTestFinished(() => first.dispose());
  const { home } = first;
  first.process.kill("SIGTERM");
  await first.exited;
  const second = await RunningSupervisor.start({ home, routable: [] });
  await waitUntil("its line is on the disk", () => linesOf(second).at(-1)?.msg === "service started", 10_000);
  second.process.kill("SIGKILL");
  await second.exited;
  const third = await RunningSupervisor.start({ home, routable: [] });
  third.process.kill("SIGINT");
  await third.exited;
  expect(linesOf(first)).toMatchObject([
    { msg: "service started", pid: first.pid, url: first.url },
    { msg: "service stops", signal: "SIGTERM" },
    { msg: "service stopped" },
    { msg: "service started", pid: second.pid },
    { msg: "the last start ended without an orderly stop", uncleanEnds: 1 },
    { msg: "service started", pid: third.pid },
    { msg: "service stops", signal: "SIGINT" },
    { msg: "service stopped" },
  ]);
});

it("a signal to read the configuration again is not lost while the service starts", async () => {
  const lmx = RunningSupervisor.spawn({ config: "auto_load: []\n" });
  onTestFinished(() => lmx.dispose());
  // Once the directory is locked the process listens for the signal, and starts still.
  await waitUntil("it is about to start", () => existsSync(join(lmx.home, "supervisor.lock")), 60_000);
  lmx.process.kill("SIGUSR2");
  await lmx.outputShows(/configuration reloaded/);
});

it("what a client names cannot steer the terminal of whoever reads the log, and is cut", async () => {
  const lmx = await RunningSupervisor.start({ config: "auto_load: []\n", routable: [] });
  onTestFinished(() => lmx.dispose());
  const steering = "\u007f\u009b2J\u202e\u2066\u200f\u061c";
  await lmx.fetch(`/begin${encodeURIComponent(steering)}${"x".repeat(5_000)}`);
  await lmx.chat(`begin${steering}${"x".repeat(350)}`, "ping");
  await lmx.stop();
  const file = readFileSync(join(lmx.home, "logs", "supervisor.log"), "utf8");
  for (const text of [file, lmx.output]) {
    const lines = text.split("\n").filter((line) => line.includes("begin"));
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
      expect(line).toContain("\\u202e");
      expect(line.length).toBeLessThan(1_000);
    }
  }
});
