import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Logger } from "pino";
import type { Config } from "../../shared/config.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Service } from "./service.ts";

/** How a streamed answer ended, for the access log. */
export type StreamOutcome = "finished" | "failed" | "client_left";

/** What middleware and routes tell each other about one request. */
export interface AppEnv {
  Variables: {
    requestId: string;
    /** Model as the client named it. */
    model?: string;
    /** Settles when a streamed answer is over; it never rejects. */
    streamEnd?: Promise<StreamOutcome>;
  };
}

export type App = OpenAPIHono<AppEnv>;

/** The part of the configuration the HTTP layer reads. */
export type HttpConfig = Pick<Config, "host" | "api_keys" | "admin_keys" | "allowed_origins">;

/** What every route may use. */
export interface RouteContext {
  readonly cluster: Cluster;
  readonly service: Service;
  readonly log: Logger;
  /** Longest silence of a stream, milliseconds. */
  readonly keepAliveMs: number;
}
