import { ERRORS, type ErrorCode, errorRow } from "../../shared/errors.ts";

/** docs/errors.md, written from the table in shared/errors.ts. */
export function errorsPage(): string {
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { status, adminStatus, openaiType, retryable, when } = errorRow(code);
    const statuses = adminStatus === undefined ? `${status}` : `${status}, on \`/admin\` ${adminStatus}`;
    return `| \`${code}\` | ${statuses} | \`${openaiType}\` | ${retryable} | ${when} |`;
  });
  return `${INTRODUCTION}
| code | status | type | retry | when |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

const INTRODUCTION = `# Errors

<!-- Generated from shared/errors.ts. After a change there: UPDATE_DOCS=1 npx vitest run test/http/generated-docs.test.ts -->

Every error is one JSON object with these four keys, always all of them:

\`\`\`json
{"error": {"message": "...", "type": "...", "param": null, "code": "..."}}
\`\`\`

- \`code\` is what programs should look at, \`param\` the path of the field at fault (\`messages.0.content\`) or null.
- The header \`x-should-retry\` says whether sending the same request again can help. It follows the table unless the case
  is known better: \`model_not_ready\` is worth a retry only while the model is coming.
- \`Retry-After\`, 1 to 60 seconds, stands only on errors that are worth a retry.
- \`x-request-id\` is on every reply, of an error or not, and in the server's log.
- Errors of \`/admin\` have a fifth key, \`details\`: the checks and numbers behind the refusal, or null.
- Once a stream has begun its status is 200. A failure then comes as an event of its own,
  \`data: {"error": {...}}\` with type \`server_error\`, followed by \`data: [DONE]\`.
- \`/readyz\` answers 503 with \`{"status": "unavailable", "reason": "..."}\` instead.
- A request that is no HTTP gets 400, headers over the limit get 431, and one that arrives too slowly 408, in the same shape.

## Keys

Inference takes a key of \`api_keys\` as \`Authorization: Bearer\` or \`X-API-Key\`. \`/admin\` takes a key of \`admin_keys\` as
\`X-Admin-Key\`; where only \`api_keys\` are configured, one of those. Health needs none, and
\`/metrics\` takes a key of either kind. A server bound to loopback answers
only loopback \`Host\` headers, liveness excepted, and no page of another origin may call \`/admin\`. Where no key is
needed, a request that a proxy has marked is refused; the admin socket needs none.

## Table
`;
