import type { App } from "../app-context.ts";

/** The API described by the routes themselves, as OpenAPI 3.1. */
export function openapiDocument(app: App) {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Opta-LMX",
      version: "1",
      description: "OpenAI-compatible inference and administration of supervised MLX models.",
      license: { name: "Apache-2.0" },
    },
  });
}

/** `GET /openapi.json`, made once. */
export function addOpenapiRoute(app: App): void {
  let document: ReturnType<typeof openapiDocument> | undefined;
  app.get("/openapi.json", (c) => {
    document ??= openapiDocument(app);
    return c.json(document);
  });
}
