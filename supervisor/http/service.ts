import type { Status } from "../../shared/admin.ts";

/** Whether traffic should be sent here. An answer from memory: nothing waits on a worker to give it. */
export interface ServiceReadiness {
  readonly ok: boolean;
  /** One word when not ok, such as `draining`, `safe_mode` or `no_model_routable`; null when ok. */
  readonly reason: string | null;
  /** Shown by `/readyz?verbose`. Never a prompt, a key or a path. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The running service as the HTTP layer sees it; every method is synchronous and answers in well under 5 ms. */
export interface Service {
  /** Facts for `GET /admin/status`. */
  status(): Status;
  /** True from the moment a stop was asked for: new inference is refused, what runs goes on. */
  draining(): boolean;
  /** The verdict behind `GET /readyz`. */
  ready(): ServiceReadiness;
}
