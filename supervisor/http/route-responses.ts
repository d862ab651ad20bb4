import type { z } from "zod";
import { errorEnvelopeSchema } from "../../shared/openai.ts";

/** A JSON body in an OpenAPI route. */
export function jsonContent<Schema extends z.ZodType>(schema: Schema) {
  return { "application/json": { schema } };
}

/** A required JSON request body in an OpenAPI route. */
export function jsonRequest<Schema extends z.ZodType>(schema: Schema) {
  return { body: { required: true, content: jsonContent(schema) } };
}

/** What every route may answer besides its own; docs/errors.md lists the codes. */
export const ERROR_RESPONSE = {
  "4XX": {
    description: "The request cannot be served; `code` says why",
    content: jsonContent(errorEnvelopeSchema),
  },
  "5XX": {
    description: "The server cannot serve now; `x-should-retry` says whether to try again",
    content: jsonContent(errorEnvelopeSchema),
  },
} as const;
