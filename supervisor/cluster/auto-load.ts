import type { HostPorts, ModelHost } from "./model-host.ts";

export interface AutoLoadPorts {
  /** By id or alias; null: not known. */
  find(idOrAlias: string): ModelHost | null;
  /** Every place has been looked at: who is not known is not there. */
  isComplete(): boolean;
  readonly log: HostPorts["log"];
  readonly events: HostPorts["events"];
}

/** Starts the models of `auto_load`, those in a place that has not answered yet when they are found there. */
export class AutoLoad {
  readonly #ports: AutoLoadPorts;
  #awaited: { readonly names: readonly string[]; readonly leftOut: ReadonlySet<string> } | null = null;

  constructor(ports: AutoLoadPorts) {
    this.#ports = ports;
  }

  /**
   * @param leftOut keys of models that may have taken the machine down
   * @returns names of what is on no disk
   */
  start(names: readonly string[], leftOut: ReadonlySet<string>): string[] {
    const unknown = this.#startKnown(names, leftOut);
    for (const model of this.#awaited?.names ?? [])
      this.#ports.log.warn({ model }, "auto_load names a model that is not found yet; looking goes on");
    return unknown;
  }

  /** More of the disk is known now. */
  goOn(): void {
    if (this.#awaited !== null) this.#startKnown(this.#awaited.names, this.#awaited.leftOut);
  }

  #startKnown(names: readonly string[], leftOut: ReadonlySet<string>): string[] {
    const unknown: string[] = [];
    for (const id of names) {
      const host = this.#ports.find(id);
      if (host === null) unknown.push(id);
      else if (host.key !== null && leftOut.has(host.key)) this.#skip(host.id);
      else host.startAutomatically();
    }
    const isFinal = unknown.length === 0 || this.#ports.isComplete();
    this.#awaited = isFinal ? null : { names: unknown, leftOut };
    if (!isFinal) return [];
    for (const model of unknown)
      this.#ports.log.warn({ model }, "auto_load names a model that is not on disk");
    return unknown;
  }

  #skip(model: string): void {
    const message = "not loaded at this start: the machine went down while it was being loaded";
    this.#ports.log.error({ model }, message);
    const reason = { code: "auto_load_skipped", cause: "host_went_down", message };
    this.#ports.events.emit({ type: "auto_load_skipped", model, reason });
  }
}
