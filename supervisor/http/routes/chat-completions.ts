import { randomInt, randomUUID } from "node:crypto";
import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { GenerationEvent } from "../../../shared/generation.ts";
import {
  chatCompletionChunkSchema,
  chatCompletionRequestSchema,
  chatCompletionSchema,
} from "../../../shared/openai.ts";
import type { Generation } from "../../cluster/cluster.ts";
import type { App, AppEnv, RouteContext, StreamOutcome } from "../app-context.ts";
import {
  type AnswerHead,
  chatCompletionStream,
  decodeChatCompletion,
  encodeChatCompletion,
} from "../dialects/chat-completions.ts";
import { eventStream } from "../event-stream.ts";
import { logUnexpected } from "../log-unexpected.ts";
import { jsonBody } from "../middleware/json-body.ts";
import { refuseWhileDraining } from "../middleware/refuse-while-draining.ts";
import { ERROR_RESPONSE, jsonContent, jsonRequest } from "../route-responses.ts";
import type { StreamEncoder } from "../stream-encoder.ts";

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

/** randomInt takes no wider range. */
const SEED_LIMIT = 2 ** 48 - 1;

/** `POST /v1/chat/completions`, also without `/v1`. */
export function addChatCompletionsRoute(app: App, context: RouteContext): void {
  app.openAPIRegistry.registerPath(route);
  for (const path of ["/v1/chat/completions", "/chat/completions"]) {
    app.post(path, refuseWhileDraining(context.service), jsonBody(chatCompletionRequestSchema), async (c) => {
      const body = c.req.valid("json");
      c.set("model", body.model);
      const call = decodeChatCompletion(body, randomInt(SEED_LIMIT));
      const left = new AbortController();
      const signal = AbortSignal.any([c.req.raw.signal, left.signal]);
      const generation = await context.cluster.generate(call.model, call.request, signal);
      const head = {
        id: `chatcmpl-${randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: call.model,
      };
      if (call.stream)
        return streamAnswer(c, context, generation, chatCompletionStream(head, call.includeUsage), left);
      return wholeAnswer(c, generation, head);
    });
  }
}

async function wholeAnswer(c: Context<AppEnv>, generation: Generation, head: AnswerHead): Promise<Response> {
  const events: GenerationEvent[] = [];
  for await (const event of generation.events) events.push(event);
  return c.json(encodeChatCompletion(head, events));
}

function streamAnswer(
  c: Context<AppEnv>,
  { log, keepAliveMs }: RouteContext,
  generation: Generation,
  encoder: StreamEncoder,
  left: AbortController,
): Response {
  const end = Promise.withResolvers<StreamOutcome>();
  c.set("streamEnd", end.promise);
  const body = eventStream(generation.events, encoder, {
    keepAliveMs,
    onClientLeft: () => left.abort(),
    onEnd: (outcome, error) => {
      if (error !== undefined) logUnexpected(log, c.get("requestId"), error);
      end.resolve(outcome);
    },
  });
  return c.body(body, 200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    // nginx would otherwise hold the events back.
    "x-accel-buffering": "no",
  });
}
