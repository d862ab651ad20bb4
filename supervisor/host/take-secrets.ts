type Environment = Record<string, string | undefined>;

/** Keys of services, by how their variables are named everywhere; our own are among them. */
const KEY_NAME = /(?:_API_KEYS?|_API_TOKEN|_ADMIN_KEYS)$/;
const TOKEN_NAMES: ReadonlySet<string> = new Set(["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]);

/** The environment the service was started with. */
export interface StartEnvironment {
  /** All of it, for whoever reads the configuration, also later. */
  readonly whole: Readonly<Environment>;
  /** What was in the variables that were taken out. */
  readonly secrets: readonly string[];
}

/**
 * Takes keys out of the environment, so that no process this one starts can inherit them and none of its libraries
 * sends them along. What an installer needs to reach its index (`PIP_…`, `UV_…`, proxies) stays.
 * @param env usually process.env; changed
 */
export function takeSecrets(env: Environment): StartEnvironment {
  const whole = { ...env };
  const names = Object.keys(env).filter((name) => KEY_NAME.test(name) || TOKEN_NAMES.has(name));
  for (const name of names) delete env[name];
  return { whole, secrets: names.flatMap((name) => whole[name] ?? []) };
}
