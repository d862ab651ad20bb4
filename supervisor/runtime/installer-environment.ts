// Would send packages elsewhere than into the runtime, or bring others into it.
const MISLEADING = new Set([
  "VIRTUAL_ENV",
  "CONDA_PREFIX",
  "PIP_TARGET",
  "PIP_PREFIX",
  "PIP_ROOT",
  "PIP_PYTHON",
  "PIP_REQUIREMENT",
  "PIP_CONSTRAINT",
  "PIP_DRY_RUN",
  "UV_PYTHON",
  "UV_SYSTEM_PYTHON",
  "UV_CONSTRAINT",
  "UV_OVERRIDE",
  "UV_PROJECT_ENVIRONMENT",
  "UV_WORKING_DIRECTORY",
  // Colour codes would get in the way of reading what the installers say.
  "FORCE_COLOR",
  "CLICOLOR_FORCE",
]);

/**
 * The environment for pip, uv and the Pythons we run while building: the user's own (proxies, certificates, pip and uv
 * configuration) without what would redirect the installation, and never a question on the terminal.
 */
export function installerEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !MISLEADING.has(entry[0]) && !entry[0].startsWith("PYTHON"),
  );
  return {
    ...Object.fromEntries(kept),
    PYTHONNOUSERSITE: "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_INPUT: "1",
    PIP_USER: "0",
    NO_COLOR: "1",
  };
}
