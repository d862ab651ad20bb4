import { expect, it } from "vitest";
import { NO_OBSERVER } from "../../../supervisor/telemetry/observer.ts";
import { hostWithFakes } from "../../support/fake-cluster-parts.ts";
import { settled } from "../../support/fake-worker.ts";

const never = new AbortController().signal;

/** The cause of a SIGKILL, by the kernel's counts when the worker started and when it was gone. */
async function causeOf(before: number | null, after: number | null): Promise<string | undefined> {
  let count = before;
  let cause: string | undefined;
  const observer = { ...NO_OBSERVER, workerExited: (_: string, why: string) => (cause = why) };
  const { host, workers } = hostWithFakes({ observer, ports: { oomKills: () => count } });
  await host.load(never);
  count = after;
  workers.at(-1)?.die({ signal: "SIGKILL" });
  await settled();
  return cause;
}

it("tells the kernel's memory guard from somebody's hand by what the kernel has counted meanwhile", async () => {
  expect(await causeOf(3, 4)).toBe("killed_oom");
  expect(await causeOf(3, 3)).toBe("killed_external");
  expect(await causeOf(null, null)).toBe("killed_external");
  expect(await causeOf(null, 4)).toBe("killed_external");
});
