import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const onLinux = it.runIf(process.platform === "linux");

/** Where the descriptors of a process lead. */
function filesOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => readlinkSync(join(directory, fd)));
}

/** Ids of the processes this one has started. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").filter(Boolean).map(Number);
}

onLinux("what a shell left open, and the keys it had, reach no worker", async () => {
  const secret = join(await temporaryDirectory(), "secret");
  writeFileSync(secret, "secret");
  const lmx = await RunningSupervisor.start({
    before: `exec 9<'${secret}' 40<'${secret}'; `,
    env: { OPENAI_API_KEY: "sk-of-the-shell" },
  });
  onTestFinished(() => lmx.dispose());
  const workers = childrenOf(lmx.pid);
  expect(workers).toContain((await lmx.model("lmx-demo")).worker?.pid);
  for (const pid of workers) {
    expect(filesOf(pid)).not.toContain(secret);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("sk-of-the-shell");
  }
});

it("keys of the environment outlast a reload, although they stand there no more", async () => {
  const adminKey = "operator-of-the-environment";
  const lmx = await RunningSupervisor.start({
    env: { OPTA_LMX_ADMIN_KEYS: adminKey },
    config: "auto_load: []\n",
    routable: [],
  });
  onTestFinished(() => lmx.dispose());
  const reload = (headers: Record<string, string>) =>
    lmx.fetch("/admin/config/reload", { method: "POST", headers });
  const key = { "x-admin-key": adminKey, "content-type": "application/json" };
  for (const _ of [1, 2]) expect((await reload(key)).status).toBe(200);
  expect((await reload({})).status).toBe(401);
});
