import { describe, expect, it } from "vitest";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { errorOf, STARTED_AT, testApp } from "../test-app.ts";

const cluster = new FakeCluster(fakeModel("demo"), fakeModel("org/name-4bit", { state: "loading" }));
const { app } = testApp({ cluster });

describe("GET /v1/models", () => {
  it.each(["/v1/models", "/models"])("lists models in any state at %s", async (path) => {
    const response = await app.request(path);
    expect(response.status).toBe(200);
    const created = Date.parse(STARTED_AT) / 1000;
    expect(await response.json()).toEqual({
      object: "list",
      data: [
        {
          id: "demo",
          object: "model",
          created,
          owned_by: "opta-lmx",
          state: "routable",
          context_length: 512,
          capabilities: { completion: true, chat: true, tools: true, reasoning: false, fill: false },
        },
        {
          id: "org/name-4bit",
          object: "model",
          created,
          owned_by: "opta-lmx",
          state: "loading",
          context_length: 512,
          capabilities: { completion: true, chat: true, tools: true, reasoning: false, fill: false },
        },
      ],
    });
  });
});

describe("GET /v1/models/{id}", () => {
  it.each(["/v1/models/org/name-4bit", "/v1/models/org%2Fname-4bit", "/models/org/name-4bit"])(
    "finds %s",
    async (path) => {
      expect(await (await app.request(path)).json()).toMatchObject({ id: "org/name-4bit", object: "model" });
    },
  );

  it("is 404 with the near matches the cluster knows", async () => {
    const response = await app.request("/v1/models/org/nobody");
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({
      code: "model_not_found",
      message: expect.stringContaining("did you mean demo"),
    });
  });

  it("is 404, not a crash, for an id that is no valid escape", async () => {
    expect((await app.request("/v1/models/%zz%2e%2e")).status).toBe(404);
  });
});
