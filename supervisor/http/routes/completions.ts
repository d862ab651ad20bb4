import { createRoute } from "@hono/zod-openapi";
import {
  completionChunkSchema,
  completionRequestSchema,
  completionSchema,
} from "../../../shared/openai-completions.ts";
import type { App, RouteContext } from "../app-context.ts";
import { addInferenceRoute } from "../inference-route.ts";
import { ERROR_RESPONSE, jsonContent, jsonRequest } from "../route-responses.ts";

const route = createRoute({
  method: "post",
  path: "/v1/completions",
  summary: "Continue a text, or fill in between two",
  request: jsonRequest(completionRequestSchema),
  responses: {
    200: {
      description:
        "The answer; with `stream` as server-sent events, each `data:` a CompletionChunk, the last `[DONE]`",
      content: {
        ...jsonContent(completionSchema),
        "text/event-stream": { schema: completionChunkSchema },
      },
    },
    ...ERROR_RESPONSE,
  },
});

/** `POST /v1/completions`, also without `/v1`. */
export function addCompletionsRoute(app: App, context: RouteContext): void {
  app.openAPIRegistry.registerPath(route);
  addInferenceRoute(app, context, "completions", ["/v1/completions", "/completions"]);
}
