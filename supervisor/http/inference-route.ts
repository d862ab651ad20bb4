import { randomInt, randomUUID } from "node:crypto";
import type { Context } from "hono";
import { eventBytes } from "../../shared/event-bytes.ts";
import type { GenerationEvent } from "../../shared/generation.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { RequestOrigin } from "../cluster/model/request-slots.ts";
import type { Generation } from "../cluster/requests/generation.ts";
import type { App, AppEnv, RouteContext, StreamEnd } from "./app-context.ts";
import { INFERENCE_LIMITS } from "./body/body-limits.ts";
import { type CallOf, INFERENCE_APIS, type InferenceApi } from "./body/inference-apis.ts";
import { readBody } from "./body/read-body.ts";
import { requireJson } from "./body/require-json.ts";
import type { AnswerHead, Dialect, Encoded, InferenceCall } from "./dialects/dialect.ts";
import { logUnexpected } from "./log-unexpected.ts";
import { claimOwner } from "./middleware/claim-owner.ts";
import { limitRequestMemory } from "./middleware/limit-request-memory.ts";
import { refuseWhileDraining } from "./middleware/refuse-while-draining.ts";
import { ChoiceEvents } from "./streaming/choice-events.ts";
import { eventStream } from "./streaming/event-stream.ts";
import { jsonAnswer } from "./streaming/json-answer.ts";
import { EVENT_STREAM_HEADERS } from "./streaming/server-sent-events.ts";

/** randomInt takes no wider range. */
const SEED_LIMIT = 2 ** 48 - 1;

/** One API's POST routes: decode, dispatch everything, and only then answer, whole or streamed. */
export function addInferenceRoute<Api extends InferenceApi>(
  app: App,
  context: RouteContext,
  api: Api,
  paths: readonly string[],
): void {
  // Each API's calls fit its own dialect; for an API that is not known here the compiler cannot see that.
  const dialect = INFERENCE_APIS[api].dialect as Dialect<never, CallOf<Api>>;
  for (const path of paths) {
    const limits = [
      refuseWhileDraining(context.service),
      claimOwner(context.owners, context.apiKeys),
      limitRequestMemory(context.requestMemory),
    ] as const;
    app.post(path, ...limits, async (c) => {
      const call = await readCall(c, context, api);
      const over = new AbortController();
      const signal = AbortSignal.any([c.req.raw.signal, over.signal]);
      const head = {
        id: `${dialect.idPrefix}${randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: call.model,
      };
      try {
        const generations = await startAll(context.cluster, call, signal, {
          requestId: c.get("requestId"),
          owner: c.get("owned")?.ownerOf(call.user),
        });
        if (call.stream) return streamAnswer(c, context, dialect, head, call, generations, over);
        return await wholeAnswer(c, dialect, head, call, generations);
      } catch (error) {
        // One answer cannot be given: the others are not needed any more.
        over.abort();
        throw error;
      }
    });
  }
}

/** @throws LmxError unsupported_media_type, request_too_large, rate_limit_exceeded, invalid_request_error, unsupported_parameter, model_not_found */
async function readCall<Api extends InferenceApi>(
  c: Context<AppEnv>,
  { cluster, bodies }: RouteContext,
  api: Api,
): Promise<Encoded<CallOf<Api>>> {
  const { headers } = c.req.raw;
  requireJson(headers);
  const owner = c.get("owned")?.owner ?? "";
  const guards = { share: c.get("share"), pace: c.get("pace"), owner };
  const body = await readBody(c.req.raw, INFERENCE_LIMITS, guards);
  const { byteLength } = body.bytes;
  const call = await bodies.decode(api, body, {
    assignedSeed: randomInt(SEED_LIMIT),
    owner,
    findSettings: (model) => {
      c.set("model", model);
      return cluster.settings(model);
    },
  });
  // From here on the prompts are held instead of the body, and the worker reads one for each choice.
  const promptBytes = call.requests.reduce((sum, { prompt }) => sum + prompt.bytes.byteLength, 0);
  c.get("share")?.add(Math.max(0, promptBytes - byteLength));
  return call;
}

function startAll(
  cluster: Cluster,
  call: Encoded<InferenceCall>,
  signal: AbortSignal,
  origin: RequestOrigin,
): Promise<Generation[]> {
  return Promise.all(call.requests.map((request) => cluster.generate(call.model, request, signal, origin)));
}

async function wholeAnswer<Call extends InferenceCall>(
  c: Context<AppEnv>,
  dialect: Dialect<never, Call>,
  head: AnswerHead,
  call: Call,
  generations: readonly Generation[],
): Promise<Response> {
  const choices = generations.map(({ promptText }) => ({ promptText, events: [] as GenerationEvent[] }));
  for await (const { index, event } of new ChoiceEvents(generations.map(({ events }) => events))) {
    // A whole answer waits in memory until its end, however many choices and log probabilities were asked for.
    c.get("share")?.keep(eventBytes(event));
    choices[index]?.events.push(event);
  }
  return await jsonAnswer(c, dialect.encode(head, call, choices));
}

function streamAnswer<Call extends InferenceCall>(
  c: Context<AppEnv>,
  { log, refusals, keepAliveMs, clients }: RouteContext,
  dialect: Dialect<never, Call>,
  head: AnswerHead,
  call: Call,
  generations: readonly Generation[],
  over: AbortController,
): Response {
  const end = Promise.withResolvers<StreamEnd>();
  const events = new ChoiceEvents(generations.map(({ events }) => events));
  const promptTexts = generations.map(({ promptText }) => promptText);
  const body = eventStream(events, dialect.stream(head, call, promptTexts), {
    keepAliveMs,
    patienceMs: () => {
      const { unread_seconds: alone, unread_seconds_when_waited_for: waitedFor } = clients();
      return 1000 * (generations.some(({ othersWait }) => othersWait()) ? waitedFor : alone);
    },
    onEnd: (outcome, error) => {
      // Whatever has not ended by itself ends now.
      over.abort();
      const request = { requestId: c.get("requestId"), model: call.model };
      if (error !== undefined) logUnexpected({ log, refusals }, request, error);
      end.resolve({ outcome, code: error?.code });
    },
  });
  // Only now: a stream that could not be made has no end.
  c.set("streamEnd", end.promise);
  return c.body(body, 200, EVENT_STREAM_HEADERS);
}
