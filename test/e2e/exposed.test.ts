import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { RunningSupervisor, stateDirectory } from "../support/running-supervisor.ts";

it("a state directory others can write is warned of at the start, with the command that mends it", async () => {
  const home = stateDirectory({ config: "auto_load: []\napi_keys: [key-12345678]\n" });
  chmodSync(home, 0o777);
  chmodSync(join(home, "config.yaml"), 0o644);
  const lmx = await RunningSupervisor.start({ home, routable: [] });
  onTestFinished(() => lmx.dispose());
  await lmx.stop();
  const lines = lmx.output.split("\n").filter((line) => line.includes("next_step"));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 40, path: home, next_step: `chmod go-w ${home}` },
    { level: 40, path: join(home, "config.yaml"), next_step: `chmod 600 ${join(home, "config.yaml")}` },
  ]);
  // Code that is found there could be anybody's.
  expect(existsSync(join(home, "cache", "compiled"))).toBe(false);
});

it("a runtime others can write is not used: the service says what mends it and ends", async () => {
  const home = stateDirectory({});
  const runtimes = join(home, "runtimes");
  mkdirSync(runtimes);
  chmodSync(runtimes, 0o777);
  const lmx = RunningSupervisor.spawn({ home, env: { OPTA_LMX_RUNTIMES: runtimes } });
  onTestFinished(() => lmx.dispose());
  expect((await lmx.exited).code).toBe(69);
  expect(lmx.output).toContain(`${runtimes} can be changed by every user (mode 0777)`);
  expect(lmx.output).toContain(`chmod go-w ${runtimes}`);
  expect(readdirSync(runtimes)).toEqual([]);
});
