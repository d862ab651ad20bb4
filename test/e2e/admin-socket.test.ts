import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { lmx as command } from "../cli/lmx.ts";
import { RunningSupervisor, type StartOptions, stateDirectory } from "../support/running-supervisor.ts";

const LMX = join(import.meta.dirname, "../../bin/lmx.js");
const ADMIN_KEY = "key-of-the-operator";
const API_KEY = "key-of-the-clients";
const KEYED = `auto_load: []\nspare_worker: false\nadmin_keys: [${ADMIN_KEY}]\napi_keys: [${API_KEY}]\n`;

async function start(options: StartOptions = {}): Promise<RunningSupervisor> {
  const service = await RunningSupervisor.start({ config: KEYED, routable: [], ...options });
  onTestFinished(() => service.dispose());
  return service;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A command that knows the state directory and nothing else, in this process. */
function lmx(home: string, ...args: string[]): Promise<Ended> {
  return command(args, { OPTA_LMX_HOME: home, PATH: process.env.PATH ?? "" });
}

/** The same in a process of its own, which may be another user's. */
function lmxProcess(home: string, args: readonly string[], options: { uid?: number } = {}): Running {
  const env = { PATH: process.env.PATH, HOME: home, OPTA_LMX_HOME: home };
  const child = spawn(process.execPath, [LMX, ...args], { env, ...options });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (chunk) => (output += String(chunk)));
  return {
    child,
    ended: once(child, "close").then(([code, signal]) => ({ code, signal, output })),
    shows: async (text) => {
      while (!output.includes(text)) await once(child.stdout, "data");
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; output: string }>;
  /** Resolves when it has printed this text. */
  shows(text: string): Promise<void>;
}

/** A user id that is nobody here. */
const NOBODY = 65_534;
const socketOf = (home: string) => join(home, "admin.sock");
const modeOf = (path: string) => lstatSync(path).mode & 0o777;
const noteOf = (home: string) =>
  JSON.parse(readFileSync(join(home, "address.json"), "utf8")) as {
    url: string;
    socket: string;
    pid: number;
  };

const statusWith = async (service: RunningSupervisor, key: string) =>
  (await service.fetch("/admin/models", { headers: { "x-admin-key": key } })).status;

/** Takes a port that was somebody else's, keeps every byte it is sent, and answers like a server that wants a key. */
async function strangerOn(url: string): Promise<{ received: () => string }> {
  let received = "";
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      received += data.toString("latin1");
      const body = '{"error":{"code":"invalid_api_key","message":"A key, please."}}';
      socket.end(`HTTP/1.1 401 Unauthorized\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
  });
  server.listen(Number(new URL(url).port), "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { received: () => received };
}

describe("the admin socket of a service that has keys", () => {
  let service: RunningSupervisor;
  let home: string;
  beforeAll(async () => {
    service = await RunningSupervisor.start({ config: KEYED, routable: [] });
    home = service.home;
  });
  afterAll(() => service.dispose());

  it("opens everything without a key to whoever may write it, and that is one user", async () => {
    expect([modeOf(socketOf(home)), modeOf(home)]).toEqual([0o600, 0o700]);
    expect(await lmx(home, "ps")).toMatchObject({ code: 0, err: "" });
    expect(await lmx(home, "run", "no/such", "hi")).toMatchObject({ code: 66 });
    expect((await service.fetch("/admin/models")).status).toBe(401);
    expect((await lmx(home, "ps", "--url", service.url)).code).toBe(77);
  });

  it("is told from the port by the listener, not by anything a client sends", async () => {
    const headers = { host: "localhost", "x-forwarded-for": "unix:", door: "admin_socket" };
    expect((await service.fetch("/admin/models?door=admin_socket", { headers })).status).toBe(401);
  });

  it("stands in the audit trail as the socket, without address and key", async () => {
    await lmx(home, "quarantine", "lmx-demo", "--reason", "a look");
    const { out } = await lmx(home, "audit", "--json");
    expect(JSON.parse(out).data[0]).toMatchObject({
      action: "quarantine",
      actor: { key: null, address: null, via: "socket" },
    });
  });

  it("is left alone by a second instance", async () => {
    const before = [lstatSync(socketOf(home)).ino, noteOf(home)];
    const second = RunningSupervisor.spawn({ home });
    expect(await second.exited).toEqual({ code: 75, signal: null });
    expect([lstatSync(socketOf(home)).ino, noteOf(home)]).toEqual(before);
    expect((await lmx(home, "ps")).code).toBe(0);
  });

  it("serves twenty commands at once", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => lmx(home, "ps", "--json")));
    expect(new Set(all.map(({ code, err }) => `${code} ${err}`))).toEqual(new Set(["0 "]));
  });

  it("lets a reader of events go at Ctrl-C", async () => {
    await lmx(home, "quarantine", "lmx-demo");
    const reader = lmxProcess(home, ["events", "--follow"]);
    await reader.shows("quarantined");
    await lmx(home, "release", "lmx-demo");
    await reader.shows("released");
    reader.child.kill("SIGINT");
    expect(await reader.ended).toMatchObject({ code: null, signal: "SIGINT" });
    await service.outputShows(/"path":"\/admin\/events"[^\n]*"outcome":"client_left"/);
  });

  it.skipIf(process.getuid?.() !== 0)("tells another user whose service it is", async () => {
    const theirs = async () => await lmxProcess(home, ["ps"], { uid: NOBODY }).ended;
    expect(await theirs()).toMatchObject({
      code: 77,
      output: expect.stringContaining(`${home} belongs to another user`),
    });
    chmodSync(home, 0o755);
    chmodSync(join(home, "address.json"), 0o644);
    const looking = await theirs();
    chmodSync(home, 0o700);
    expect(looking).toMatchObject({
      code: 77,
      output: expect.stringContaining("admin.sock belongs to another user"),
    });
  });
});

describe("the admin socket", () => {
  it("goes with the service; what a kill leaves behind is replaced at the next start", async () => {
    const first = await start();
    const { home } = first;
    await first.stop("SIGKILL");
    expect(existsSync(socketOf(home))).toBe(true);
    const dead = await lmx(home, "ps");
    expect(dead).toMatchObject({ code: 69, err: expect.stringContaining("No Opta-LMX answers at") });
    const second = await start({ home });
    expect((await lmx(home, "ps")).code).toBe(0);
    await second.stop();
    expect([existsSync(socketOf(home)), existsSync(join(home, "address.json"))]).toEqual([false, false]);
    expect((await lmx(home, "ps")).err).toContain(`No Opta-LMX runs on ${home}.`);
  });

  it.each([
    [
      "the path of the state directory is too long for a socket",
      "too long",
      (home: string) => join(home, "x".repeat(120)),
    ],
    [
      "something else lies in its place",
      "EADDRINUSE",
      (home: string) => {
        mkdirSync(join(home, "admin.sock", "in-the-way"), { recursive: true });
        return home;
      },
    ],
  ])("is in a private temporary directory where %s", async (_, why, prepare) => {
    const place = stateDirectory({});
    onTestFinished(() => rmSync(place, { recursive: true, force: true }));
    const home = prepare(place);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    writeFileSync(join(home, "config.yaml"), KEYED);
    const first = await start({ home });
    const { socket } = noteOf(home);
    expect(socket.startsWith(home)).toBe(false);
    expect([modeOf(socket), modeOf(dirname(socket))]).toEqual([0o600, 0o700]);
    await first.outputShows(/The admin socket is not in the state directory/);
    expect(first.output).toContain(why);
    expect((await lmx(home, "ps")).code).toBe(0);

    chmodSync(dirname(socket), 0o777);
    const untrusted = await lmx(home, "ps");
    expect(untrusted).toMatchObject({ code: 77, err: expect.stringContaining("open to others") });

    await first.stop("SIGKILL");
    const second = await start({ home });
    expect(existsSync(dirname(socket)), "what the kill left behind").toBe(false);
    expect((await lmx(home, "ps")).code).toBe(0);
    const later = noteOf(home).socket;
    await second.stop();
    expect(existsSync(dirname(later))).toBe(false);
  });

  it("takes requests that a proxy would mark, because no proxy comes in there", async () => {
    const { home } = await start({ config: "auto_load: []\nspare_worker: false\n" });
    const headers = { "x-forwarded-for": "203.0.113.9" };
    const asked = request({ socketPath: socketOf(home), path: "/admin/models", headers }).end();
    const [response] = await once(asked, "response");
    response.resume();
    expect(response.statusCode).toBe(200);
  });
});

describe("a program that took the port of a service", () => {
  it("is sent nothing by commands, and no key by the doctor", async () => {
    const service = await start();
    await service.stop("SIGKILL");
    const stranger = await strangerOn(service.url);
    const ps = await lmx(service.home, "ps");
    expect(ps).toMatchObject({ code: 69, err: expect.stringContaining("No Opta-LMX answers") });
    expect((await lmx(service.home, "run", "lmx-demo", "a secret question")).code).toBe(69);
    expect((await lmx(service.home, "config", "reload")).code).toBe(69);
    expect(stranger.received()).toBe("");
    writeFileSync(join(service.home, "config.yaml"), `${KEYED}port: ${new URL(service.url).port}\n`);
    await lmx(service.home, "doctor");
    expect(stranger.received()).toMatch(/^GET \/admin\/status /);
    expect(stranger.received()).not.toContain("key-of");
  });

  it("is sent no key when the note speaks of a process that lives and has no socket", async () => {
    const service = await start();
    await service.stop("SIGKILL");
    const stranger = await strangerOn(service.url);
    const note = { url: service.url, pid: process.pid };
    writeFileSync(join(service.home, "address.json"), JSON.stringify(note));
    const ps = await lmx(service.home, "ps");
    expect(ps).toMatchObject({ code: 77, err: expect.stringContaining("--url") });
    expect(stranger.received()).toMatch(/^GET \/admin\/models /);
    expect(stranger.received()).not.toContain("key-of");
  });
});

it("a changed admin key is taken by lmx config reload, and asked for on the port from then on", async () => {
  const service = await start();
  expect(await statusWith(service, ADMIN_KEY)).toBe(200);
  writeFileSync(join(service.home, "config.yaml"), KEYED.replace(ADMIN_KEY, "another-key-of-the-operator"));
  expect(await lmx(service.home, "config", "reload")).toMatchObject({ code: 0 });
  expect((await lmx(service.home, "ps")).code).toBe(0);
  expect(await statusWith(service, ADMIN_KEY)).toBe(401);
  expect(await statusWith(service, "another-key-of-the-operator")).toBe(200);
});
