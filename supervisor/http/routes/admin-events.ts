import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type ServiceEvent, serviceEventSchema } from "../../../shared/events.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { EventReader, Subscription } from "../../telemetry/event-log.ts";
import type { App, AppEnv, StreamEnd } from "../app-context.ts";
import { parseQuery } from "../body/parse-query.ts";
import { modelFilter } from "../model-filter.ts";
import { ERROR_RESPONSE } from "../route-responses.ts";
import { EventFeed } from "../streaming/event-feed.ts";
import { EVENT_STREAM_HEADERS } from "../streaming/server-sent-events.ts";

/** Where the events come from; the event log fits. */
export interface EventSource {
  subscribe(after: number | null, reader: EventReader): Subscription;
}

interface EventsContext {
  readonly cluster: Pick<Cluster, "model">;
  readonly events: EventSource;
  /** Longest silence, milliseconds. */
  readonly keepAliveMs: number;
}

const querySchema = z.object({
  model: z.string().optional().describe("events about the model of this id only"),
  last_event_id: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe("go on after this event; 0: with all that are kept; the header Last-Event-ID wins"),
  follow: z.enum(["true", "false"]).default("true").describe("false: end after what has happened already"),
});

const route = createRoute({
  method: "get",
  path: "/admin/events",
  summary: "Hear what happens to the service and its models, as server-sent events",
  request: {
    query: querySchema,
    headers: z.object({ "last-event-id": z.string().optional() }),
  },
  responses: {
    200: {
      description: "Each `data:` a ServiceEvent, `event:` its type, `id:` its number",
      content: { "text/event-stream": { schema: serviceEventSchema } },
    },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/events`: goes on until the client leaves, reads too slowly, or the service stops. */
export function addAdminEventsRoute(app: App, context: EventsContext): void {
  app.openAPIRegistry.registerPath(route);
  app.get("/admin/events", (c) => {
    const { model: name, last_event_id, follow } = parseQuery(querySchema, c.req.query());
    const model = modelFilter(context.cluster, name);
    // Nobody would read a feed, and nobody end it.
    if (c.req.method === "HEAD") return c.body(null, 200, EVENT_STREAM_HEADERS);
    const after = headerId(c) ?? last_event_id ?? null;
    const end = Promise.withResolvers<StreamEnd>();
    c.set("streamEnd", end.promise);
    const feed = new EventFeed({
      subscribe: (reader) => context.events.subscribe(after, reader),
      isWanted: (event) => concerns(event, model),
      follow: follow === "true",
      keepAliveMs: context.keepAliveMs,
      cut: socketCutter(c),
      onEnd: (outcome) => end.resolve({ outcome, code: undefined }),
    });
    return c.body(feed.body(), 200, EVENT_STREAM_HEADERS);
  });
}

/** What a reconnecting client sends by itself. One that was never ours names nothing that is kept. */
function headerId(c: Context<AppEnv>): number | null {
  const text = c.req.header("last-event-id")?.trim() ?? "";
  if (text === "") return null;
  const id = Number(text);
  return Number.isSafeInteger(id) && id >= 0 ? id : 0;
}

function concerns(event: ServiceEvent, model: string | undefined): boolean {
  return model === undefined || event.model === model || event.type === "reset";
}

/** Ends the connection without waiting for what is queued; null: there is no socket. */
function socketCutter(c: Context<AppEnv>): (() => void) | null {
  const env = c.env as { readonly incoming?: { readonly socket?: { destroy(): void } } } | undefined;
  const socket = env?.incoming?.socket;
  return socket === undefined ? null : () => socket.destroy();
}
