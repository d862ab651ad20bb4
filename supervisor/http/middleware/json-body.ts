import type { MiddlewareHandler } from "hono";
import type { z } from "zod";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";
import { parseJson } from "../parse-json.ts";
import { readBody } from "../read-body.ts";
import { validationError } from "../validation-error.ts";

type JsonBody<Schema extends z.ZodType> = { in: { json: z.input<Schema> }; out: { json: z.output<Schema> } };

/**
 * Parses a JSON body against a schema; the handler reads it with `c.req.valid("json")`. Written out here because the
 * stock validators read the whole body before any cap and name no position in malformed JSON.
 * @throws LmxError unsupported_media_type, request_too_large, rate_limit_exceeded, invalid_request_error
 */
export function jsonBody<Schema extends z.ZodType>(
  schema: Schema,
): MiddlewareHandler<AppEnv, string, JsonBody<Schema>> {
  return async (c, next) => {
    requireJson(c.req.header("content-type"), c.req.header("content-encoding"));
    const value = parseJson(await readBody(c.req.raw, c.get("share")));
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw validationError(parsed.error, value);
    c.req.addValidatedData("json", parsed.data as object);
    await next();
  };
}

/** Also what keeps other sites' pages out: a cross-origin request with this content type needs a preflight. */
function requireJson(contentType: string | undefined, contentEncoding: string | undefined): void {
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!/^application\/([\w.-]+\+)?json$/.test(mediaType)) {
    const got = mediaType === "" ? "none" : mediaType.slice(0, 100);
    throw new LmxError("unsupported_media_type", `Expected content type application/json, got ${got}.`);
  }
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== "identity") {
    throw new LmxError(
      "unsupported_media_type",
      "Expected an uncompressed body, got a content-encoding; send it without.",
    );
  }
}
