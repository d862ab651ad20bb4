/** Settings of one chaos service; objects are merged one level deep. */
export interface ChaosConfig {
  readonly [key: string]: unknown;
  readonly timeouts?: Readonly<Record<string, number>>;
}

/** The design's times scaled down: seconds instead of minutes. A real worker has imports to do, and gets more. */
const SCALED_SECONDS = {
  real: {
    initialize_seconds: 60,
    inspect_seconds: 60,
    load_stall_seconds: 60,
    load_cap_seconds: 60,
    canary_seconds: 60,
    heartbeat_seconds: 0.5,
    ping_seconds: 2,
    progress_seconds: 20,
    hold_seconds: 60,
    drain_seconds: 5,
  },
  fixture: {
    initialize_seconds: 20,
    inspect_seconds: 20,
    load_stall_seconds: 2,
    load_cap_seconds: 5,
    canary_seconds: 2,
    heartbeat_seconds: 0.3,
    ping_seconds: 1,
    progress_seconds: 2,
    hold_seconds: 20,
    drain_seconds: 2,
  },
} as const;

/** What a hung worker may take until it is gone with these settings, ten times the design's ratio left out. Milliseconds. */
export function hungWithinMs(workers: keyof typeof SCALED_SECONDS): number {
  const { heartbeat_seconds, ping_seconds } = SCALED_SECONDS[workers];
  return (heartbeat_seconds + 3 * ping_seconds + 1) * 1000 * 10;
}

/** The configuration of a service under test: no spare worker, so that processes can be counted. */
export function chaosConfig(workers: keyof typeof SCALED_SECONDS, more: ChaosConfig): ChaosConfig {
  return {
    spare_worker: false,
    lm_studio: false,
    huggingface_cache: false,
    ...more,
    timeouts: { ...SCALED_SECONDS[workers], ...more.timeouts },
  };
}
