import { describe, expect, it } from "vitest";
import { always, fakeSupervisor, readiness } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

describe("unload", () => {
  it("says where the model is now", async () => {
    const { url, asked } = await fakeSupervisor(
      always(200, { model_id: "org/a", readiness: readiness("unloaded") }),
    );
    expect(await lmx(["unload", "org/a", "--url", url])).toMatchObject({
      code: 0,
      out: "org/a is unloaded\n",
    });
    expect(asked[0]).toMatchObject({
      method: "POST",
      path: "/admin/models/unload",
      body: { model_id: "org/a" },
    });
    await lmx(["unload", "org/a", "--reason", "room", "--url", url]);
    expect(asked[1]?.body).toEqual({ model_id: "org/a", reason: "room" });
    expect(JSON.parse((await lmx(["unload", "org/a", "--json", "--url", url])).out).readiness.state).toBe(
      "unloaded",
    );
  });
});
