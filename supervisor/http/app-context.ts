import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Logger } from "pino";
import type { Config } from "../../shared/config.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { BodyDecoder } from "./body/body-decoder.ts";
import type { RequestMemory, RequestShare } from "./body/request-memory.ts";
import type { UploadPace } from "./body/upload-pace.ts";
import type { OwnedRequest, Owners } from "./callers/owners.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { Service } from "./service.ts";

/** What the access log shows when the client left before the answer; it is never seen on the wire. */
export const CLIENT_CLOSED_REQUEST = 499;

/** How a streamed answer ended. */
export type StreamOutcome = "finished" | "failed" | "client_left";

/** The end of a streamed answer, for the access log and the metrics. */
export interface StreamEnd {
  readonly outcome: StreamOutcome;
  /** With `failed`. */
  readonly code: ErrorCode | undefined;
}

/** How a request came in: through the port, where anybody may knock, or through the operator's own socket. */
export type Door = "port" | "admin_socket";

/** What middleware and routes tell each other about one request. */
export interface AppEnv {
  Bindings: {
    /** It came when every connection was taken; absent: it did not. */
    readonly isLate?: boolean;
    /** Said by the listener that accepted the connection, never by what the client sends; absent: the port. */
    readonly door?: Door;
  };
  Variables: {
    requestId: string;
    /** Model as the client named it. */
    model?: string;
    /** Settles when a streamed answer is over; it never rejects. */
    streamEnd?: Promise<StreamEnd>;
    /** How fast its body has to come. */
    pace?: UploadPace;
    /** Whose it is. */
    owned?: OwnedRequest;
    /** What it holds of the memory for requests. */
    share?: RequestShare;
    /** Code of the error this request was answered with. */
    errorCode?: ErrorCode;
  };
}

export type App = OpenAPIHono<AppEnv>;

/** The part of the configuration the HTTP layer reads. */
export type HttpConfig = Pick<
  Config,
  "host" | "api_keys" | "admin_keys" | "allowed_origins" | "trusted_proxy" | "clients"
>;

/** What every route may use. */
export interface RouteContext {
  readonly cluster: Cluster;
  readonly service: Service;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly refusals: RefusalLog;
  readonly requestMemory: RequestMemory;
  readonly owners: Owners;
  /** In force now. */
  readonly apiKeys: () => readonly string[];
  /** In force now. */
  readonly clients: () => HttpConfig["clients"];
  readonly bodies: BodyDecoder;
  /** Longest silence of a stream, milliseconds. */
  readonly keepAliveMs: number;
}
