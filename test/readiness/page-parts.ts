import { expect } from "vitest";
import { READINESS_DETAILS, READINESS_STATES, readinessSchema } from "../../shared/readiness.ts";
import { openapiDocument } from "../../supervisor/http/routes/openapi.ts";
import { SERVICE_REASONS } from "../../supervisor/service/service-status.ts";
import { testApp } from "../http/test-app.ts";
import { type Edge, everyEdge } from "./every-edge.ts";
import { causeRows, failureRows, foundAliveRows } from "./failure-rows.ts";
import { DETAIL_WORDS, EDGE_WORDS, FIELD_WORDS, SERVICE_WORDS, STATE_WORDS } from "./readiness-words.ts";
import { requestRows, statesWith } from "./request-answers.ts";

/** Every part of docs/readiness.md that is made from the code, by the name of its marker. */
export async function readinessParts(): Promise<Readonly<Record<string, string>>> {
  return {
    states: table(
      ["state", "meaning", "what an operator can do"],
      READINESS_STATES.map((word) => [code(word), STATE_WORDS[word].meaning, STATE_WORDS[word].operator]),
    ),
    details: table(
      ["detail", "of", "meaning"],
      READINESS_DETAILS.map((word) => [
        code(word),
        statesWith(word).map(code).join(", "),
        DETAIL_WORDS[word],
      ]),
    ),
    edges: diagram(),
    requests: table(["model", "a request is", "`/readyz?model=`"], await requestRows()),
    failures: table(
      [
        "`reason.code`",
        "when",
        "the load answers",
        "the model is then",
        "one that had served",
        "a request that waited",
      ],
      failureRows(),
    ),
    causes: table(["`reason.cause`", "counts", "what helps"], causeRows()),
    found: table(["`reason.cause`", "what helps"], foundAliveRows()),
    places: placesOfReadiness()
      .map((place) => `- ${code(place)}`)
      .join("\n"),
    fields: table(["field", "meaning"], fieldRows()),
    readyz: table(
      ["`reason`", "when"],
      SERVICE_REASONS.map((word) => [code(word), SERVICE_WORDS[word]]),
    ),
  };
}

function code(word: string): string {
  return `\`${word}\``;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  expect(rows.length, `rows under ${header[0]}`).toBeGreaterThan(1);
  const line = (values: readonly string[]) => `| ${values.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function diagram(): string {
  const possible = everyEdge();
  const drawn = Object.keys(EDGE_WORDS) as Edge[];
  expect(drawn.toSorted(), "the changes that a model can make").toEqual(possible);
  const lines = drawn.map((edge) => `  ${edge}: ${EDGE_WORDS[edge]?.replaceAll(";", ",")}`);
  return ["```mermaid", "stateDiagram-v2", "  [*] --> unloaded", ...lines, "```"].join("\n");
}

function fieldRows(): string[][] {
  const { reason, quarantine } = readinessSchema.shape;
  const inner = { reason: reason.unwrap().shape, quarantine: quarantine.unwrap().shape };
  return Object.entries(readinessSchema.shape).flatMap(([name, { description }]) => {
    const fields = name === "reason" || name === "quarantine" ? Object.keys(inner[name]) : [];
    return [
      [name, description] as const,
      ...fields.map((field) => [`${name}.${field}`, undefined] as const),
    ].map(([path, said]) => [
      code(path),
      FIELD_WORDS[path] ?? said ?? expect.fail(`nothing is said about ${path}`),
    ]);
  });
}

/** Operations of the API whose answers hold a readiness. */
function placesOfReadiness(): string[] {
  const { paths = {}, components } = openapiDocument(testApp().app);
  const schemas: Readonly<Record<string, unknown>> = components?.schemas ?? {};
  const holdsIt = (part: unknown, seen: readonly string[] = []): boolean => {
    const found = JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
    const names = [...found].map(([, name = ""]) => name).filter((name) => !seen.includes(name));
    return names.includes("Readiness") || names.some((name) => holdsIt(schemas[name], [...seen, ...names]));
  };
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item as Readonly<Record<string, { responses?: unknown }>>)
      .filter(([, { responses }]) => responses !== undefined && holdsIt(responses))
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  );
}
