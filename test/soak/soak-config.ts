/** The design's times scaled down, and the numbers of the quarantine so that a model comes back within a run. */
export const SCALED = {
  timeouts: {
    initialize_seconds: 60,
    inspect_seconds: 60,
    load_stall_seconds: 30,
    load_cap_seconds: 60,
    canary_seconds: 30,
    heartbeat_seconds: 0.5,
    ping_seconds: 2,
    progress_seconds: 10,
    hold_seconds: 10,
    drain_seconds: 1,
  },
  quarantine: {
    failures: 3,
    // Faults come every few seconds for hours: that rule would leave only operators' releases to be tested.
    flap_failures: 100_000,
    forgive_seconds: 0.5,
    stay_seconds: 0.2,
    probes: 5,
    probation_seconds: 0.3,
    probation_requests: 3,
  },
} as const;

/** The soaked service's configuration; requests load what is not loaded. @param more settings of a reload */
export function soakConfig(
  models: readonly string[],
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    ...SCALED,
    ...more,
    auto_load: models,
    load_on_request: "always",
    lm_studio: false,
    huggingface_cache: false,
    spare_worker: true,
    models: Object.fromEntries(models.map((id) => [id, { context_tokens: 1_024 }])),
  };
}
