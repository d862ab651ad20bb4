import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configSchema } from "../../shared/config.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { lmx } from "./lmx.ts";

async function homeWith(config: string): Promise<string> {
  const home = await temporaryDirectory();
  await writeFile(join(home, "config.yaml"), config);
  return home;
}

describe("config show", () => {
  it("says where each value came from", async () => {
    const home = await homeWith("port: 8123\nhuggingface_cache: hub\ntimeouts: { hold_seconds: 5 }\n");
    const env = { OPTA_LMX_HOME: home, OPTA_LMX_LOG_LEVEL: "debug" };
    const { code, out } = await lmx(["config", "show"], env);
    expect(code).toBe(0);
    const file = join(home, "config.yaml");
    const lines = out.split("\n").map((line) => line.split(/ {2,}/));
    expect(lines).toContainEqual(["port", "8123", file]);
    expect(lines).toContainEqual(["huggingface_cache", join(home, "hub"), file]);
    expect(lines).toContainEqual(["log_level", "debug", "OPTA_LMX_LOG_LEVEL"]);
    expect(lines).toContainEqual(["timeouts.hold_seconds", "5", file]);
    expect(lines).toContainEqual(["host", "127.0.0.1", "default"]);
    for (const key of Object.keys(configSchema.shape)) expect(out).toMatch(new RegExp(`^${key}\\b`, "m"));
  });

  it("never shows a key, as text or as JSON", async () => {
    const home = await homeWith("api_keys: [secret-one, secret-two]\n");
    const env = { OPTA_LMX_HOME: home, OPTA_LMX_ADMIN_KEYS: "secret-three" };
    const [text, json] = [await lmx(["config", "show"], env), await lmx(["config", "show", "--json"], env)];
    for (const { out, err } of [text, json]) expect(out + err).not.toContain("secret");
    expect(text.out).toMatch(/^api_keys +\["\*{4}","\*{4}"\] /m);
    expect(JSON.parse(json.out).values).toContainEqual({
      key: "admin_keys",
      value: ["****"],
      source: "environment",
      from: "OPTA_LMX_ADMIN_KEYS",
    });
  });

  it("a broken file is explained and exits 78", async () => {
    const home = await homeWith("prot: 1\n");
    const { code, err } = await lmx(["config", "show"], { OPTA_LMX_HOME: home });
    expect([code, err]).toEqual([78, expect.stringContaining('did you mean "port"?')]);
  });
});
