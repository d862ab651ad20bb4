import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { openapiDocument } from "../../supervisor/http/routes/openapi.ts";
import { errorsPage } from "./errors-page.ts";
import { metricsPage } from "./metrics-page.ts";
import { testApp } from "./test-app.ts";

const pages: [string, () => string | Promise<string>][] = [
  ["errors.md", errorsPage],
  ["metrics.md", metricsPage],
  ["openapi.json", () => `${JSON.stringify(openapiDocument(testApp().app), null, 2)}\n`],
];

it.each(pages)("docs/%s is what the code says (UPDATE_DOCS=1 writes it anew)", async (name, generate) => {
  const file = new URL(`../../docs/${name}`, import.meta.url);
  const page = await generate();
  if (process.env.UPDATE_DOCS === "1") await writeFile(file, page);
  expect(await readFile(file, "utf8")).toBe(page);
});

it("GET /openapi.json is the same document, whole", async () => {
  const { app } = testApp();
  const document = (await (await app.request("/openapi.json")).json()) as ReturnType<typeof openapiDocument>;
  expect(document).toEqual(JSON.parse(JSON.stringify(openapiDocument(app))));
  expect(document.openapi).toBe("3.1.0");
  expect(Object.keys(document.paths ?? {})).toEqual(
    expect.arrayContaining([
      "/livez",
      "/readyz",
      "/v1/models",
      "/v1/models/{id}",
      "/v1/chat/completions",
      "/v1/completions",
      "/metrics",
      "/admin/models",
      "/admin/models/load",
      "/admin/models/unload",
      "/admin/status",
    ]),
  );
});

it("every reference of the document leads somewhere", () => {
  const document = openapiDocument(testApp().app);
  const text = JSON.stringify(document);
  const names = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(5);
  expect(Object.keys(document.components?.schemas ?? {})).toEqual(expect.arrayContaining(names));
});
