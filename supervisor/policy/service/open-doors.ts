import type { Config } from "../../../shared/config.ts";

/** What other people of this machine may do without a key, and what to do about it. */
export interface OpenDoors {
  readonly who: string;
  readonly nextStep: string;
}

/** More names would make a line nobody reads. */
const NAMES_SHOWN = 4;

/**
 * On a machine with several people's accounts each of them reaches a port on loopback.
 * @param accounts names of all accounts people log in to
 * @param configFile where keys are set
 * @returns null when there is only one, or every door has its key
 */
export function openDoors(
  { api_keys, admin_keys }: Pick<Config, "api_keys" | "admin_keys">,
  accounts: readonly string[],
  configFile: string,
): OpenDoors | null {
  // A key for inference alone opens /admin too, and nobody is in without it.
  if (accounts.length < 2 || api_keys.length > 0) return null;
  const may = admin_keys.length > 0 ? "use its models" : "use its models, load and unload them";
  const missing = admin_keys.length > 0 ? "api_keys" : "api_keys and admin_keys";
  return {
    who: `${accounts.length} people have an account on this machine (${namesOf(accounts)}); without a key each of them may ${may}`,
    nextStep: `Set ${missing} in ${configFile}; a service that runs takes them with "lmx config reload".`,
  };
}

function namesOf(accounts: readonly string[]): string {
  const rest = accounts.length - NAMES_SHOWN;
  return [...accounts.slice(0, NAMES_SHOWN), ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
}
