import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Logger } from "pino";
import { LmxError, toLmxError } from "../../shared/errors.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { type App, type AppEnv, CLIENT_CLOSED_REQUEST, type HttpConfig } from "./app-context.ts";
import { BodyDecoder } from "./body/body-decoder.ts";
import { RequestMemory } from "./body/request-memory.ts";
import { Owners } from "./callers/owners.ts";
import { respondWithError } from "./error-reply.ts";
import { logUnexpected } from "./log-unexpected.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { accessLog } from "./middleware/access-log.ts";
import { allowedOrigins } from "./middleware/allowed-origins.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { countOutcomes } from "./middleware/count-outcomes.ts";
import { errorsOnly } from "./middleware/errors-only.ts";
import { followConfig } from "./middleware/follow-config.ts";
import { loopbackHost } from "./middleware/loopback-host.ts";
import { paceUploads } from "./middleware/pace-uploads.ts";
import { refuseLatecomers } from "./middleware/refuse-latecomers.ts";
import { requestId } from "./middleware/request-id.ts";
import { sameOrigin } from "./middleware/same-origin.ts";
import { RefusalLog } from "./refusal-log.ts";
import { type AuditSource, addAdminAuditRoute } from "./routes/admin-audit.ts";
import { addAdminCompatSweepRoutes, type SweepControl } from "./routes/admin-compat-sweep.ts";
import { addAdminCompatibilityRoutes, type CompatibilitySource } from "./routes/admin-compatibility.ts";
import { addAdminConfigRoutes, type ConfigControl } from "./routes/admin-config.ts";
import { addAdminDossiersRoutes, type DossierSource } from "./routes/admin-dossiers.ts";
import { addAdminEventsRoute, type EventSource } from "./routes/admin-events.ts";
import { addAdminHealthRoute, type HealthSource } from "./routes/admin-health.ts";
import { addAdminMemoryRoute, type MemorySource } from "./routes/admin-memory.ts";
import { addAdminModelActionsRoutes } from "./routes/admin-model-actions.ts";
import { addAdminModelsRoutes } from "./routes/admin-models.ts";
import { addAdminPerformanceRoute, type PerformanceSource } from "./routes/admin-performance.ts";
import { addAdminSafeModeRoute, type SafeModeControl } from "./routes/admin-safe-mode.ts";
import { addAdminStatusRoute } from "./routes/admin-status.ts";
import { addChatCompletionsRoute } from "./routes/chat-completions.ts";
import { addCompletionsRoute } from "./routes/completions.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addMetricsRoute } from "./routes/metrics.ts";
import { addModelsRoutes } from "./routes/models.ts";
import { addOpenapiRoute } from "./routes/openapi.ts";
import type { Service } from "./service.ts";

export interface AppOptions {
  readonly cluster: Cluster;
  readonly service: Service;
  /** In force now: another object when it changes. `host` stays. */
  readonly config: HttpConfig;
  readonly settings: ConfigControl;
  readonly compatibility: CompatibilitySource;
  readonly sweep: SweepControl;
  readonly audit: AuditSource;
  readonly safeMode: SafeModeControl;
  readonly dossiers: DossierSource;
  readonly events: EventSource;
  readonly memory: MemorySource;
  readonly performance: PerformanceSource;
  readonly health: HealthSource;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly refusals?: RefusalLog;
  readonly requestMemory?: RequestMemory;
  readonly owners?: Owners;
  readonly bodies?: BodyDecoder;
  /** Longest silence of a stream, milliseconds; clients and proxies give up after 20 to 30 s. */
  readonly keepAliveMs?: number;
}

const KEEP_ALIVE_MS = 10_000;

/** The whole HTTP API as a value: it opens no port and starts no timer. */
export function createApp(options: AppOptions): App {
  const { cluster, service, metrics, log, keepAliveMs = KEEP_ALIVE_MS } = options;
  const { requestMemory = new RequestMemory(), owners = new Owners(), bodies = new BodyDecoder() } = options;
  const { refusals = new RefusalLog({ log }) } = options;
  const config = () => options.config;
  const app: App = new OpenAPIHono<AppEnv>();
  const keys = () => [...config().api_keys, ...config().admin_keys];
  app.use(requestId(keys), accessLog({ log, refusals, keys }), countOutcomes(metrics));
  app.use(
    refuseLatecomers(),
    loopbackHost(options.config.host),
    followConfig(config, ({ allowed_origins }) => allowedOrigins(allowed_origins)),
  );
  app.use("/admin/*", sameOrigin());
  app.use(followConfig(config, authenticate), followConfig(config, paceUploads));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: answerOtherMethod }), errorsOnly());

  const apiKeys = () => config().api_keys;
  const clients = () => config().clients;
  const limits = { requestMemory, owners, apiKeys, clients };
  const context = { cluster, service, metrics, log, refusals, keepAliveMs, bodies, ...limits };
  addHealthRoutes(app, context);
  addModelsRoutes(app, context);
  addChatCompletionsRoute(app, context);
  addCompletionsRoute(app, context);
  addAdminModelsRoutes(app, context);
  addAdminModelActionsRoutes(app, context);
  addAdminCompatibilityRoutes(app, options);
  addAdminCompatSweepRoutes(app, options);
  addAdminAuditRoute(app, options);
  addAdminSafeModeRoute(app, options);
  addAdminDossiersRoutes(app, options);
  addAdminEventsRoute(app, { events: options.events, cluster, keepAliveMs });
  addAdminStatusRoute(app, context);
  addAdminHealthRoute(app, options);
  addAdminMemoryRoute(app, options);
  addAdminPerformanceRoute(app, options);
  addAdminConfigRoutes(app, options);
  addMetricsRoute(app, options);
  addOpenapiRoute(app);

  app.notFound((c) =>
    respondWithError(c, new LmxError("not_found", `No such path: ${c.req.path.slice(0, 200)}.`)),
  );
  app.onError((thrown, c) => answerError(c, toLmxError(thrown), { log, refusals }));
  return app;
}

function answerError(
  c: Context<AppEnv>,
  error: LmxError,
  logs: { readonly log: Logger; readonly refusals: RefusalLog },
): Response {
  // Nobody reads this answer, and what was thrown is an echo of the disconnect.
  if (c.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
  logUnexpected(logs, { requestId: c.get("requestId"), model: c.get("model") }, error);
  return respondWithError(c, error);
}

function answerOtherMethod(c: Context, methods: string[]): Response {
  const allow = { allow: [...methods, "OPTIONS"].join(", ") };
  if (c.req.method === "OPTIONS") {
    // What is left of the 404 that stood here.
    c.res.headers.delete("x-should-retry");
    c.res.headers.delete("content-type");
    c.set("errorCode", undefined);
    return c.body(null, 204, allow);
  }
  const problem = `${c.req.method} is not supported here; expected ${methods.join(" or ")}.`;
  return respondWithError(c, new LmxError("method_not_allowed", problem), allow);
}
