import type { Config } from "../../../shared/config.ts";
import { openDoors } from "../../policy/service/open-doors.ts";
import { type DoctorCheck, pass, warn } from "./doctor-check.ts";

/**
 * Whether other people of this machine may do something without a key.
 * @param accounts names of all accounts people log in to
 */
export function checkAccounts(
  config: Pick<Config, "api_keys" | "admin_keys">,
  accounts: readonly string[],
  configFile: string,
): DoctorCheck {
  const open = openDoors(config, accounts, configFile);
  if (open !== null) return warn("accounts", open.who, open.nextStep);
  if (accounts.length < 2) return pass("accounts", "nobody else has one on this machine");
  return pass("accounts", `${accounts.length} people have one on this machine; the service asks for a key`);
}
