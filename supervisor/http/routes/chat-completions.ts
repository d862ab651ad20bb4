import { createRoute } from "@hono/zod-openapi";
import {
  chatCompletionChunkSchema,
  chatCompletionRequestSchema,
  chatCompletionSchema,
} from "../../../shared/openai.ts";
import type { App, RouteContext } from "../app-context.ts";
import { addInferenceRoute } from "../inference-route.ts";
import { ERROR_RESPONSE, jsonContent, jsonRequest } from "../route-responses.ts";

const route = createRoute({
  method: "post",
  path: "/v1/chat/completions",
  summary: "Answer a conversation",
  request: jsonRequest(chatCompletionRequestSchema),
  responses: {
    200: {
      description:
        "The answer; with `stream` as server-sent events, each `data:` a ChatCompletionChunk, the last `[DONE]`",
      content: {
        ...jsonContent(chatCompletionSchema),
        "text/event-stream": { schema: chatCompletionChunkSchema },
      },
    },
    ...ERROR_RESPONSE,
  },
});

/** `POST /v1/chat/completions`, also without `/v1`. */
export function addChatCompletionsRoute(app: App, context: RouteContext): void {
  app.openAPIRegistry.registerPath(route);
  addInferenceRoute(app, context, "chat-completions", ["/v1/chat/completions", "/chat/completions"]);
}
