import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort } from "node:worker_threads";

/** The least an HTTP server can be: how late it answers is the machine's doing, whoever else runs on it. */
const server = createServer((_, response) => response.end("ok"));
server.listen(0, "127.0.0.1", () => {
  parentPort?.postMessage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
