import { rm } from "node:fs/promises";
import type { Subject } from "./figure.ts";
import { promptText } from "./prompt-text.ts";
import { BareLoop } from "./servers/bare-loop.ts";
import { Children } from "./servers/children.ts";
import { DirectWorker } from "./servers/direct-worker.ts";
import { HttpChat } from "./servers/http-chat.ts";
import { LmxService, type ServiceOptions } from "./servers/lmx-service.ts";
import { startMlxLmServer } from "./servers/mlx-lm-server.ts";
import { type BenchPlaces, buildManyShards } from "./servers/places.ts";
import { type StreamServer, wholeAnswer } from "./servers/text-stream.ts";

const WARM_UP_STREAMS = 8;
const WARM_UP_ROUNDS = 3;
const WARM_UP_TOKENS = 48;

/** What figures measure on. Servers start when first needed and stay up, idle, while others are measured. */
export class BenchContext {
  readonly places: BenchPlaces;
  readonly children = new Children();
  /** Less work per round. */
  readonly quick: boolean;
  #bare: Promise<BareLoop> | null = null;
  #worker: Promise<DirectWorker> | null = null;
  #mlxLmServer: Promise<StreamServer> | null = null;
  #manyShards: Promise<{ readonly id: string; readonly root: string }> | null = null;
  #lmx: Promise<StreamServer> | null = null;
  readonly #services = new Set<LmxService>();

  constructor(places: BenchPlaces, quick: boolean) {
    this.places = places;
    this.quick = quick;
  }

  bare(): Promise<BareLoop> {
    this.#bare ??= BareLoop.start(this.children, this.places);
    return this.#bare;
  }

  worker(): Promise<DirectWorker> {
    this.#worker ??= this.#startWorker();
    return this.#worker;
  }

  /** A subject that answers in streams: every one but the bare loop. */
  server(subject: Exclude<Subject, "bare">): Promise<StreamServer> {
    switch (subject) {
      case "worker":
        return this.worker();
      case "mlx_lm.server":
        this.#mlxLmServer ??= startMlxLmServer(this.children, this.places).then(warmedUp);
        return this.#mlxLmServer;
      case "opta-lmx":
        this.#lmx ??= this.#startLmx();
        return this.#lmx;
      default:
        return subject satisfies never;
    }
  }

  /** A model of 91 files and 577 GB that takes no room, for figures that look at models and load none. */
  manyShards(): Promise<{ readonly id: string; readonly root: string }> {
    this.#manyShards ??= buildManyShards(this.places);
    return this.#manyShards;
  }

  /** A new service for one measurement; end it afterwards. */
  async freshService(options?: ServiceOptions): Promise<LmxService> {
    const service = await LmxService.spawn(this.children, this.places, options);
    this.#services.add(service);
    return service;
  }

  /** Ends every process and removes every temporary directory. */
  async dispose(): Promise<void> {
    await this.children.endAll();
    await Promise.all([...this.#services].map((service) => service.end()));
    await rm(this.places.scratch, { recursive: true, force: true });
  }

  async #startWorker(): Promise<DirectWorker> {
    const worker = await DirectWorker.start(this.children, this.places);
    await warmedUp(worker);
    return worker;
  }

  async #startLmx(): Promise<StreamServer> {
    const service = await this.freshService();
    await service.routable(this.places.modelId);
    return await warmedUp(new HttpChat(service.url, this.places.modelId));
  }
}

/** The same exercise for every server, so that none is measured cold. */
async function warmedUp(server: StreamServer): Promise<StreamServer> {
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    const streams = Array.from({ length: WARM_UP_STREAMS }, (_, index) =>
      wholeAnswer(server, { prompt: promptText(`warm-up/${round}/${index}`, 48), maxTokens: WARM_UP_TOKENS }),
    );
    await Promise.all(streams);
  }
  return server;
}
