/** Where a supervisor is and which keys open it. */
export interface SupervisorAddress {
  /** What messages call it: its URL, or the path of its socket. */
  readonly name: string;
  /** What paths are appended to. */
  readonly url: string;
  /** Null: over the network. */
  readonly socketPath: string | null;
  readonly adminKey: string | undefined;
  /** Key for `/v1`. */
  readonly apiKey: string | undefined;
}
