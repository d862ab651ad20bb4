import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import { chatHead } from "./bombs.ts";
import { chatRequest, chatRequestHead, RawConnection } from "./raw-connection.ts";
import { abuse, isWhole, slowAbuse } from "./row.ts";
import { underAbuse } from "./under-abuse.ts";

const MIB = 1024 * 1024;
/** Slow uploads end after this, instead of the default. Seconds. */
const GRACE_SECONDS = 3;
const ENDED_MS = 60_000;
const STREAMS = 100;
const SOCKETS = 600;
const DESCRIPTORS = 400;

/** A step of a full batch takes as long for the other client's row as for those beside it. */
const SHARED_BATCH = { slowdown: 40 };

let open: RawConnection[] = [];

afterEach(() => {
  for (const connection of open) connection.close();
  open = [];
});

async function connections(service: ChaosService, count: number): Promise<RawConnection[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => RawConnection.open(service.lmx.url)));
  open.push(...opened);
  return opened;
}

/** All of them were told, or cut off. */
async function untilEnded(connections: readonly RawConnection[]): Promise<void> {
  await waitUntil(
    "every connection is answered or closed",
    () => connections.every(({ status, isOpen }) => status !== null || !isOpen),
    ENDED_MS,
  );
}

describe("clients that do not send", () => {
  let service: ChaosService;

  beforeAll(async () => {
    const clients = { upload_grace_seconds: GRACE_SECONDS };
    service = await ChaosService.start({ workers: "real", config: { clients } });
  });

  afterAll(() => service?.dispose());

  abuse("C1", "bodies that are begun and never finished", async () => {
    const bytes = isWhole ? 15 * MIB : 4 * MIB;
    await underAbuse(service, async () => {
      const slow = await connections(service, 40);
      const head = `${chatHead(BYSTANDER)}"user":"x","messages":[{"role":"user","content":"`;
      await Promise.all(
        slow.map(async (connection) => {
          await connection.write(`${chatRequestHead(16 * MIB)}${head}`);
          await connection.write(Buffer.alloc(bytes, "a"));
        }),
      );
      await untilEnded(slow);
      const statuses = slow.map(({ status }) => status);
      expect(statuses.filter((status) => status !== 408 && status !== 429)).toEqual([]);
    });
  });

  abuse("C2", "a byte a second", async () => {
    await underAbuse(service, async () => {
      const slow = await connections(service, 100);
      await Promise.all(slow.map((connection) => connection.write(chatRequestHead(MIB))));
      const dripping = new AbortController();
      const drip = async (connection: RawConnection) => {
        while (!dripping.signal.aborted && connection.status === null && connection.isOpen) {
          await connection.write(" ");
          await wait(1_000);
        }
      };
      const drops = slow.map(drip);
      await untilEnded(slow).finally(() => dripping.abort());
      await Promise.all(drops);
      expect([...new Set(slow.map(({ status }) => status))]).toEqual([408]);
    });
  });
});

describe("clients that do not read", () => {
  let service: ChaosService;

  beforeAll(async () => {
    service = await ChaosService.start({ workers: "real" });
  });

  afterAll(() => service?.dispose());

  abuse("C3", "a hundred streams that nobody reads, of the model that another client asks", async () => {
    await underAbuse(
      service,
      async () => {
        const unread = await connections(service, STREAMS);
        const messages = [{ role: "user", content: "hello" }];
        for (const [n, connection] of unread.entries()) {
          connection.stopReading();
          await connection.write(
            chatRequest({
              model: BYSTANDER,
              messages,
              max_tokens: 1_900,
              stream: true,
              seed: n,
              logprobs: true,
            }),
          );
        }
        // As long as the other client has been served several times beside them.
        await wait(isWhole ? 30_000 : 6_000);
      },
      SHARED_BATCH,
    );
  });
});

describe("more connections than files", () => {
  let service: ChaosService;

  beforeAll(async () => {
    service = await ChaosService.start({ workers: "real", descriptors: DESCRIPTORS });
  });

  afterAll(() => service?.dispose());

  slowAbuse("C4", "600 connections to a service that may open 400 files", async () => {
    service.addModel("c4/late");
    await underAbuse(service, async () => {
      const idle = await connections(service, SOCKETS / 2);
      const unfinished = await connections(service, SOCKETS / 2);
      await Promise.all(
        unfinished.map((connection) => connection.write("POST /v1/completions HTTP/1.1\r\nx: ")),
      );
      expect(await service.load("c4/late")).toMatchObject({ status: 200 });
      expect(service.lmx.output).not.toContain("EMFILE");
      for (const connection of [...idle, ...unfinished]) connection.close();
    });
  });
});
