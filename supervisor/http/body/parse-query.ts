import type { z } from "zod";
import { validationError } from "./validation-error.ts";

/**
 * Parses a query string against a schema; `?model=` asks for nothing in particular. Written out because the stock
 * validator's refusal is not in the error envelope.
 * @throws LmxError invalid_request_error, its `param` the name in the query
 */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  query: Readonly<Record<string, string>>,
): z.output<Schema> {
  const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw validationError(parsed.error, given);
  return parsed.data;
}
