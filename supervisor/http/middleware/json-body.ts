import type { MiddlewareHandler } from "hono";
import type { z } from "zod";
import type { AppEnv } from "../app-context.ts";
import { ADMIN_LIMITS } from "../body/body-limits.ts";
import { parseJson } from "../body/parse-json.ts";
import { readBody } from "../body/read-body.ts";
import { requireJson } from "../body/require-json.ts";
import { validationError } from "../body/validation-error.ts";

type JsonBody<Schema extends z.ZodType> = { in: { json: z.input<Schema> }; out: { json: z.output<Schema> } };

/**
 * Parses an operator's JSON body against a schema; the handler reads it with `c.req.valid("json")`. Written out here
 * because the stock validators read the whole body before any cap and name no position in malformed JSON.
 * @throws LmxError unsupported_media_type, request_too_large, request_timeout, invalid_request_error
 */
export function jsonBody<Schema extends z.ZodType>(
  schema: Schema,
): MiddlewareHandler<AppEnv, string, JsonBody<Schema>> {
  return async (c, next) => {
    requireJson(c.req.raw.headers);
    const { bytes } = await readBody(c.req.raw, ADMIN_LIMITS, { pace: c.get("pace") });
    const value = parseJson(bytes);
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw validationError(parsed.error, value);
    c.req.addValidatedData("json", parsed.data as object);
    await next();
  };
}
