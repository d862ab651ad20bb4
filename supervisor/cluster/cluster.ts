import type {
  LoadResult,
  ModelActionResult,
  ModelDetail,
  ProbeResult,
  UnloadResult,
} from "../../shared/admin.ts";
import type { ModelSettings } from "../../shared/config.ts";
import type { AuditContext } from "../telemetry/audit-context.ts";
import type { EncodedRequest } from "../workers/encoded-request.ts";
import type { RequestOrigin } from "./model/request-slots.ts";
import type { Generation } from "./requests/generation.ts";

export interface LoadOptions {
  /** Load although the service is in safe mode. */
  readonly overrideSafeMode?: boolean;
  /** Go past the runtime's blocklist and refusing advisories; logged and audited. */
  readonly allowUnsupportedRuntime?: boolean;
  /** Nobody: the service's own load, as of `auto_load`, which is not audited. */
  readonly audit?: AuditContext;
}

/** All models together, as the HTTP layer sees them. */
export interface Cluster {
  /** A snapshot for display; never read it to decide whether to act. */
  models(): ModelDetail[];
  /** The same for a listing: with what was put on disk up to a moment ago, unless the disk takes long to tell. */
  listModels(): Promise<ModelDetail[]>;
  /** @throws LmxError model_not_found, naming near matches. */
  model(idOrAlias: string): ModelDetail;
  /** What the operator configured for a model; looks on disk for a name it does not know. @throws LmxError model_not_found */
  settings(idOrAlias: string): Promise<ModelSettings>;
  /**
   * Resolves when a worker has accepted the request, holding it while the model is coming.
   * @throws LmxError with the code the client shall see.
   */
  generate(
    idOrAlias: string,
    request: EncodedRequest,
    signal: AbortSignal,
    origin?: RequestOrigin,
  ): Promise<Generation>;
  /** Waits for the outcome of the load. @throws LmxError */
  load(idOrAlias: string, options?: LoadOptions): Promise<LoadResult>;
  /** Asks for the load and answers with the model as it stands right after; readiness tells the outcome. @throws LmxError model_not_found, or why a quarantined one is not even tried */
  startLoad(idOrAlias: string, options?: LoadOptions): Promise<ModelDetail>;
  /** The verdict a load would reach, with every check; nothing is loaded or reserved. @throws LmxError model_not_found */
  probe(idOrAlias: string, options?: Pick<LoadOptions, "allowUnsupportedRuntime">): Promise<ProbeResult>;
  /** Drains and ends the worker; an unloaded model is a success. @throws LmxError model_not_found */
  unload(idOrAlias: string, audit: AuditContext): Promise<UnloadResult>;
  /** Drains and ends the worker, then loads again; waits for the outcome. An unloaded model is loaded. @throws LmxError */
  restart(idOrAlias: string, audit: AuditContext): Promise<ModelActionResult>;
  /** Takes the model out of service until it is released; in any state, idempotent. @throws LmxError model_not_found */
  quarantine(idOrAlias: string, audit: AuditContext): Promise<ModelActionResult>;
  /** Lets a quarantined model be tried once, alone, at once; another state stays as it is. @throws LmxError model_not_found */
  release(idOrAlias: string, audit: AuditContext): Promise<ModelActionResult>;
}
