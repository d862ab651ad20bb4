import { type ServiceEvent, serviceEventSchema } from "../../shared/events.ts";
import { noAnswer, refusal, unexpected } from "./api-errors.ts";
import { CliError } from "./command.ts";
import { readJson, sendRequest } from "./send-request.ts";
import { sseData } from "./sse-data.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

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
  address: SupervisorAddress,
  { model, after, follow }: EventsWanted,
): AsyncGenerator<ServiceEvent> {
  const query = new URLSearchParams({
    ...(model !== undefined && { model }),
    last_event_id: String(after),
    follow: String(follow),
  });
  const { name, adminKey } = address;
  try {
    const { status, body } = await sendRequest(address, {
      method: "GET",
      path: `/admin/events?${query}`,
      headers: adminKey === undefined ? {} : { "x-admin-key": adminKey },
    });
    if (status !== 200) throw refusal(name, status, await readJson(body));
    for await (const data of sseData(body)) yield parseEvent(name, data);
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    throw noAnswer(address, thrown);
  }
}

function parseEvent(name: string, data: string): ServiceEvent {
  try {
    return serviceEventSchema.parse(JSON.parse(data));
  } catch {
    throw unexpected(name, "an event has another shape");
  }
}
