import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Real processes and sockets: a slow machine must not fail a test, so limits are generous.
    testTimeout: 60_000,
    hookTimeout: 180_000,
    // Two cores: the end-to-end files each start Python workers.
    maxWorkers: 2,
  },
});
