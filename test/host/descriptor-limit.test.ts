import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { descriptorLimit } from "../../supervisor/host/descriptor-limit.ts";

const MODULE = join(import.meta.dirname, "../../supervisor/host/descriptor-limit.ts");

it("tells the limit this process has", () => {
  expect(descriptorLimit()).toBeGreaterThan(64);
});

it.each([
  ["as it is on this system", ""],
  ["as it is where there is no /proc", 'Object.defineProperty(process, "platform", { value: "darwin" });'],
])("tells the limit a shell has set, %s", (_how, setUp) => {
  const script = `${setUp} import(${JSON.stringify(MODULE)}).then((m) => console.log(m.descriptorLimit()))`;
  const limited = ["-c", 'ulimit -n 333; exec "$@"', "sh", process.execPath, "--eval", script];
  expect(execFileSync("sh", limited, { encoding: "utf8" }).trim()).toBe("333");
});
