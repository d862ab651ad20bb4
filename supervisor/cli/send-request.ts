import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { SupervisorAddress } from "./supervisor-address.ts";

/** One request of a command. */
export interface CliRequest {
  readonly method: "GET" | "POST";
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** The beginning of an answer; the rest comes as its bytes are read. */
export interface CliReply {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Sends a request over the admin socket or to the address that was named, and follows no redirect: a key reaches nobody
 * but whom it was meant for. Node's fetch has no sockets and follows redirects with all its headers.
 * @throws the system's error when nobody answers; the signal's when it aborts, also while the body is read
 */
export async function sendRequest(
  { url, socketPath }: Pick<SupervisorAddress, "url" | "socketPath">,
  { method, path, headers = {}, body, signal }: CliRequest,
): Promise<CliReply> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const text = body === undefined ? "" : JSON.stringify(body);
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const request = send(
    `${url}${path}`,
    {
      method,
      headers: {
        ...headers,
        ...(body && { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      },
      // A connection for each: one that is kept may be closed by the other side just when it is used again.
      agent: false,
      ...(socketPath !== null && { socketPath }),
      ...(signal && { signal }),
    },
    resolve,
  );
  request.on("error", reject);
  request.end(text);
  const response = await promise;
  return { status: response.statusCode ?? 0, body: response };
}

/** A whole body as JSON; undefined when it is none. @throws when the connection breaks */
export async function readJson(body: CliReply["body"]): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    return undefined;
  }
}
