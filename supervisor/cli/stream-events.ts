import { type ServiceEvent, serviceEventSchema } from "../../shared/events.ts";
import { noAnswer, refusal, unexpected } from "./api-errors.ts";
import { CliError } from "./command.ts";
import type { SupervisorAddress } from "./find-supervisor.ts";
import { sseData } from "./sse-data.ts";

export interface EventsWanted {
  /** Events of this model only. */
  readonly model: string | undefined;
  /** Go on after this event; 0: with all that are kept. */
  readonly after: number;
  /** False: what has happened already, and no more. */
  readonly follow: boolean;
}

/** The events of a supervisor. Ends with the connection. @throws CliError */
export async function* streamEvents(
  { url, adminKey }: Pick<SupervisorAddress, "url" | "adminKey">,
  { model, after, follow }: EventsWanted,
): AsyncGenerator<ServiceEvent> {
  const query = new URLSearchParams({
    ...(model !== undefined && { model }),
    last_event_id: String(after),
    follow: String(follow),
  });
  try {
    const response = await fetch(`${url}/admin/events?${query}`, {
      headers: adminKey === undefined ? {} : { "x-admin-key": adminKey },
    });
    if (!response.ok) throw refusal(url, response.status, await response.json().catch(() => null));
    if (response.body === null) throw unexpected(url, "the answer has no body");
    for await (const data of sseData(response.body)) yield parseEvent(url, data);
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    throw noAnswer(url, thrown);
  }
}

function parseEvent(url: string, data: string): ServiceEvent {
  try {
    return serviceEventSchema.parse(JSON.parse(data));
  } catch {
    throw unexpected(url, "an event has another shape");
  }
}
