import { createRoute } from "@hono/zod-openapi";
import { type MemoryReport, memoryReportSchema } from "../../../shared/admin-memory.ts";
import type { Config } from "../../../shared/config.ts";
import type { MemorySnapshot } from "../../cluster/admission/memory-ledger.ts";
import { describeFreeMemory, limitSource } from "../../policy/memory/describe-free-memory.ts";
import { heldBytes } from "../../policy/memory/memory-room.ts";
import type { App } from "../app-context.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** The memory ledger, as it can be looked at. */
export interface MemorySource {
  /** Reads the machine; never rejects. */
  snapshot(): Promise<MemorySnapshot>;
  /** In force now. */
  config(): Config["memory"];
}

const route = createRoute({
  method: "get",
  path: "/admin/memory",
  summary: "Show who holds how much memory, what is free, and how that comes about",
  responses: {
    200: { description: "The ledger", content: jsonContent(memoryReportSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/memory`. */
export function addAdminMemoryRoute(app: App, { memory }: { readonly memory: MemorySource }): void {
  app.openapi(route, async (c) => {
    const snapshot = await memory.snapshot();
    const moment = { wallMs: Date.now(), monotonicMs: performance.now() };
    return c.json(memoryReport(snapshot, memory.config(), moment), 200);
  });
}

/** @param moment the same moment on both clocks, milliseconds */
export function memoryReport(
  { machine, limitBytes, reserveBytes, heldBytes: held, freeBytes, holders }: MemorySnapshot,
  configured: Config["memory"],
  moment: { readonly wallMs: number; readonly monotonicMs: number },
): MemoryReport {
  const toDate = (monotonicMs: number) => new Date(moment.wallMs - moment.monotonicMs + monotonicMs);
  return {
    machine: {
      total_bytes: machine.totalBytes,
      available_bytes: machine.availableBytes,
      limit_bytes: machine.limitBytes,
      source: machine.source,
    },
    limit_bytes: limitBytes,
    limit_source: limitSource({ machine, configured }),
    reserve_bytes: reserveBytes,
    evict: configured.evict,
    held_bytes: held,
    free_bytes: freeBytes,
    free_reason: describeFreeMemory({ machine, configured, holders }),
    holders: holders
      .toSorted((a, b) => heldBytes(b) - heldBytes(a))
      .map((holder) => ({
        model_id: holder.modelId,
        state: holder.state,
        granted_bytes: holder.bytes,
        measured_bytes: holder.measuredBytes,
        busy: holder.isBusy,
        pinned: holder.isPinned,
        last_used_at: holder.lastUsedMs === 0 ? null : toDate(holder.lastUsedMs).toISOString(),
      })),
  };
}
