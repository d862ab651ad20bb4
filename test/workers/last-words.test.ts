import { expect, it } from "vitest";
import { hostWithFakes } from "../support/fake-cluster-parts.ts";
import { settled } from "../support/fake-worker.ts";

it("says nothing of a dead worker's last words that was to be kept", async () => {
  const clean = (text: string) => text.replaceAll("hf_aSecretToken", "[redacted]");
  const { host, workers } = hostWithFakes({ manual: ["load"], ports: { clean } });
  const loading = host.load(new AbortController().signal).catch((error: Error) => error.message);
  await settled();
  workers.at(-1)?.die({ code: 3, stderrTail: "cannot open it with hf_aSecretToken\n" });
  expect(await loading).toContain("cannot open it with [redacted]");
});
