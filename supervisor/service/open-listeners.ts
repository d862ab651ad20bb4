import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load-config.ts";
import { writeAddress } from "../host/address-file.ts";
import type { App } from "../http/app-context.ts";
import type { Connections } from "../http/server/connections.ts";
import { listen } from "../http/server/listen.ts";
import { noteBadHttp } from "../http/server/note-bad-http.ts";
import { describeAdminSocket, openAdminSocket } from "./open-admin-socket.ts";
import type { Telemetry } from "./open-telemetry.ts";

export interface ListenerParts {
  readonly loaded: LoadedConfig;
  readonly app: App;
  readonly connections: Connections;
  readonly telemetry: Telemetry;
  /** Whether this service has the state directory for itself. */
  readonly isLocked: boolean;
  readonly log: Logger;
}

/** The port and the admin socket of a service, and the note that says where they are. */
export interface Listeners {
  readonly url: string;
  close(): Promise<void>;
  removeAddress(): Promise<void>;
}

/** @throws the system's error when the port cannot be used; a socket that cannot be made is a warning */
export async function openListeners(parts: ListenerParts): Promise<Listeners> {
  const { loaded, app, connections, telemetry, isLocked, log } = parts;
  const { config, paths } = loaded;
  const onBadHttp = noteBadHttp(log, telemetry.refusals, telemetry.metrics);
  const listener = await listen(app, { ...config, connections, onBadHttp });
  const adminSocket = await openAdminSocket(app, paths, isLocked);
  if (adminSocket.problem !== null) log.warn(describeAdminSocket(adminSocket, listener.url));
  const address = { url: listener.url, socket: adminSocket.path };
  const removeAddress = await writeAddress(paths.addressFile, address).catch(() => async () => {});
  return {
    url: listener.url,
    close: async () => {
      await Promise.all([listener.close(), adminSocket.close()]);
    },
    removeAddress,
  };
}
