import { Metrics } from "../../supervisor/http/metrics/metrics.ts";

/** docs/metrics.md, written from the instruments themselves. */
export async function metricsPage(): Promise<string> {
  const rows = (await new Metrics().describe()).map(
    ({ name, type, help, labels }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`,
  );
  return `${INTRODUCTION}
| name | type | labels | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}

const INTRODUCTION = `# Metrics

<!-- Generated from supervisor/http/metrics. After a change there: UPDATE_DOCS=1 npx vitest run test/http/generated-docs.test.ts -->

\`GET /metrics\` answers in Prometheus' text format, from the supervisor's memory: no worker is asked, so it answers while
one hangs. Where a key is configured it takes any of them, an API key or an admin key, also as \`Authorization: Bearer\`:

\`\`\`yaml
scrape_configs:
  - job_name: opta-lmx
    authorization: { credentials: YOUR_KEY }
    static_configs: [{ targets: ["127.0.0.1:1234"] }]
\`\`\`

- Names are vLLM's where vLLM has the same thing, with our own prefix.
- \`model_name\` is an id of the catalogue, never what a client sent; aliases count under their model. No label, and no
  number, ever holds a prompt or a key.
- A request for several answers counts once per answer. A generation that is sent to a second worker after a crash counts
  once; the tokens of both workers count.
- A request waits until a worker has tokenised and queued it: while the model loads, mostly. From then on it runs, also
  while the worker lets it wait for a place in its batch.
- \`cause\` of a worker's exit is \`stopped\` for one that was asked to leave, else what is written in the model's \`reason\`,
  such as \`sigsegv\`, \`killed_external\`, \`hung\`, \`spawn_failed\`.
- \`worker_memory_bytes\` is measured every few seconds by the worker itself and is gone with it.
- \`memory_ledger_bytes\`, \`machine_memory_bytes\` and \`model_memory_bytes\` are read when they are asked for; what is not known
  has no series.
- Not all of what is here is on every dashboard's mind; these three are: \`model_state{state="routable"}\` is 0 for a model
  that should serve, \`worker_restarts_total\` rises, \`time_to_first_token_seconds\` grows.

## Table
`;
