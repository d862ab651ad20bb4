import { describe, expect, it } from "vitest";
import type { ProbeResult } from "../../shared/admin.ts";
import { errorBody, fakeSupervisor, model } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const probe = (code: ProbeResult["code"], detail: string): ProbeResult => ({
  model_id: "org/a",
  verdict: code === null ? "admit" : "refuse",
  code,
  checks: [{ name: "weights", status: code === null ? "pass" : "fail", detail }],
  memory: { weights_bytes: null, kv_bytes_per_token: null, required_bytes: null, available_bytes: null },
});

/** A supervisor with this verdict on org/a, which lies at `path`. */
const supervisor = (verdict: ProbeResult, path = "/models/org/a") =>
  fakeSupervisor(({ method }) => ({
    status: 200,
    body: method === "POST" ? verdict : { object: "list", data: [{ ...model("org/a", "unloaded"), path }] },
  }));

describe("repair", () => {
  it("names what is damaged and a command that fetches it again, and exits 1", async () => {
    // Whatever else is wrong with it comes first in the verdict.
    const damaged = probe("model_incomplete", "model-3.safetensors is missing");
    const { url } = await supervisor({ ...damaged, code: "model_unsupported_arch" }, "/my models/a");
    const { code, out } = await lmx(["repair", "org/a", "--url", url]);
    expect(code).toBe(1);
    expect(out).toContain("  weights: model-3.safetensors is missing\n");
    expect(out).toContain("  hf download org/a --local-dir '/my models/a' --force-download\n");
    const json = JSON.parse((await lmx(["repair", "org/a", "--json", "--url", url])).out);
    expect(json).toMatchObject({ model_id: "org/a", problems: ["weights: model-3.safetensors is missing"] });
  });

  // An id such as org/a@v1.0 is ours: the hub knows a repository and a revision, which the path names.
  it.each([
    ["org/a", "models--org--a", "org/a"],
    ["org/a@v1.0", "models--org--a", "org/a"],
    ["gpt2", "models--gpt2", "gpt2"],
  ])("fetches %s into the Hugging Face cache it came from, at its revision", async (id, directory, name) => {
    const revision = "0123456789".repeat(4);
    const path = `/cache/hub/${directory}/snapshots/${revision}`;
    const damaged = { ...probe("model_incomplete", "gone"), model_id: id };
    const { url } = await fakeSupervisor(({ method }) => ({
      status: 200,
      body: method === "POST" ? damaged : { object: "list", data: [{ ...model(id, "unloaded"), path }] },
    }));
    expect((await lmx(["repair", id, "--url", url])).out).toContain(
      `  hf download ${name} --revision ${revision} --cache-dir /cache/hub --force-download\n`,
    );
  });

  it.each([null, "insufficient_memory"] as const)(
    "has nothing to do for a verdict of %s",
    async (verdict) => {
      const sound = probe(null, "3 files");
      const memory = { name: "memory", status: "fail", detail: "too little" } as const;
      const refused = { ...sound, code: verdict, checks: [...sound.checks, memory] };
      const { url } = await supervisor(verdict === null ? sound : refused);
      const { code, out } = await lmx(["repair", "org/a", "--url", url]);
      expect([code, out]).toEqual([0, expect.stringContaining("has all its files")]);
    },
  );

  it("passes on what the supervisor refuses", async () => {
    const { url } = await fakeSupervisor(() => ({
      status: 404,
      body: errorBody("model_not_found", "No model"),
    }));
    expect((await lmx(["repair", "nobody", "--url", url])).code).not.toBe(0);
  });
});
