/** Who asked for something, for the audit trail. */
export interface Actor {
  /** First characters of the key's hash; null: no key was needed. */
  readonly key: string | null;
  readonly address: string | null;
  readonly via: "http" | "socket" | "start";
}

/** Who asked and why, for the audit trail. */
export interface AuditContext {
  readonly actor: Actor;
  readonly reason: string | null;
}
