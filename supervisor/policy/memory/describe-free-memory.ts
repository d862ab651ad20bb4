import { humanBytes } from "../human-bytes.ts";
import { type MemorySituation, memoryLimit, memoryRooms } from "./memory-room.ts";

/** How the memory that may still be promised comes about: the smaller of the two rooms, in words. */
export function describeFreeMemory(situation: MemorySituation): string {
  const { machine, configured } = situation;
  const { underLimit, onMachine } = memoryRooms(situation);
  const limit = memoryLimit(machine, configured);
  const { availableBytes } = machine;
  if (underLimit <= onMachine && limit !== null)
    return `the limit of ${humanBytes(limit)} less ${humanBytes(limit - underLimit)} held by models`;
  if (availableBytes === null) return "nothing is known that limits it";
  const outstanding = availableBytes - configured.reserve_bytes - onMachine;
  const reserve = `less a reserve of ${humanBytes(configured.reserve_bytes)}`;
  const promised = `less ${humanBytes(outstanding)} promised to models and not yet taken`;
  return `${humanBytes(availableBytes)} available on the machine, ${reserve}, ${promised}`;
}

/** Whose limit applies to all models together; null: there is none. */
export function limitSource({
  machine,
  configured,
}: Omit<MemorySituation, "holders">): "configuration" | "machine_limit" | "machine_total" | null {
  if (configured.limit_bytes !== undefined) return "configuration";
  if (machine.limitBytes !== null) return "machine_limit";
  return machine.totalBytes === null ? null : "machine_total";
}
