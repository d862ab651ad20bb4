import { join } from "node:path";
import { expect, it } from "vitest";
import { LoadHistory } from "../../../supervisor/cluster/admission/load-history.ts";
import { openRegistry } from "../../../supervisor/store/compatibility-registry.ts";
import { ENTRY } from "../../support/fake-cluster-parts.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const VERSIONS = { mlx_lm: "0.32.2", mlx: "0.32.4" };
const LOADED = {
  versions: { python: "3", transformers: "5", ...VERSIONS },
  loaded: { load_seconds: 1, memory_bytes: 2, peak_memory_bytes: 3 } as never,
  canary: null,
  warning: null,
};
const STRUCTURE = { context_tokens: 100, parameters: 8, weights_bytes: 16, caches: [], prefill_bytes: 1 };

/** A record in which these files have passed. */
async function afterPass(digest: string | null) {
  const log = { info: () => undefined, error: () => undefined };
  const path = join(await temporaryDirectory(), "registry.json");
  const record = new LoadHistory(await openRegistry({ path, now: () => 0, log }), "proven", () => VERSIONS);
  const entry = { ...ENTRY, digest };
  record.outcome(entry, "pass", null, { load: LOADED, structure: STRUCTURE, overridden: [] });
  return { record, entry };
}

it("a pass proves the files it was for: their structure, what they took, and that requests may start them", async () => {
  const { record, entry } = await afterPass("d1");
  expect(record.history(entry, VERSIONS)).toMatchObject({
    lastOutcome: "pass",
    hasPassed: true,
    structure: STRUCTURE,
    peakBytes: 3,
  });
  expect(record.mayStartOnRequest(entry)).toBe(true);
  expect(record.mayStartOnRequest({ ...entry, digest: "d2" })).toBe(false);
});

it("a pass of files that could not be read in full proves nothing: the next such files may be any others", async () => {
  const { record, entry } = await afterPass(null);
  expect(record.history(entry, VERSIONS)).toEqual({
    lastOutcome: null,
    hasPassed: false,
    structure: null,
    peakBytes: null,
  });
  expect(record.mayStartOnRequest(entry)).toBe(false);
});
