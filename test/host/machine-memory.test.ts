import { mkdir, writeFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseCgroups } from "../../supervisor/host/cgroup-memory.ts";
import { parseMeminfo } from "../../supervisor/host/linux-memory.ts";
import { defaultWiredLimit, parseSysctl, parseVmStat } from "../../supervisor/host/mac-memory.ts";
import { readMachineMemory } from "../../supervisor/host/machine-memory.ts";
import { runText } from "../../supervisor/host/run-text.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const GIB = 1024 ** 3;

const MEMINFO = `MemTotal:       16384000 kB
MemFree:         1024000 kB
MemAvailable:    8192000 kB
Buffers:           12345 kB
SwapTotal:       4194304 kB
HugePages_Total:       0
`;
const TOTAL = 16_384_000 * 1024;
const AVAILABLE = 8_192_000 * 1024;

const VM_STAT = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               100000.
Pages active:                             700000.
Pages inactive:                           500000.
Pages speculative:                         20000.
Pages throttled:                               0.
Pages wired down:                         250000.
Pages purgeable:                            3000.
"Translation faults":                 9876543210.
Pages copy-on-write:                    12345678.
File-backed pages:                        400000.
Anonymous pages:                          820000.
Pages stored in compressor:                60000.
Swapouts:                                      0.
`;
const VM_AVAILABLE = (100_000 + 500_000 + 20_000 + 3_000) * 16_384;

async function fakeRoot(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryDirectory();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

async function linux(files: Readonly<Record<string, string>>) {
  return readMachineMemory({ platform: "linux", root: await fakeRoot(files) });
}

describe("the memory of this machine", () => {
  it("is read with plausible numbers", async () => {
    const memory = await readMachineMemory();
    expect(memory.totalBytes).toBeGreaterThan(0.9 * totalmem());
    expect(memory.availableBytes).toBeGreaterThan(10 * 1024 ** 2);
    expect(memory.availableBytes).toBeLessThanOrEqual(memory.totalBytes!);
    if (memory.limitBytes !== null) expect(memory.limitBytes).toBeLessThan(memory.totalBytes!);
    expect(memory.source).not.toBe("");
  });

  it("is only known in total on other systems", async () => {
    const memory = await readMachineMemory({ platform: "freebsd" });
    expect(memory).toMatchObject({ totalBytes: totalmem(), availableBytes: null, limitBytes: null });
    expect(memory.source).toContain("freebsd");
  });
});

describe("the memory of a Linux machine", () => {
  it("is that of /proc/meminfo where no cgroup limits it", async () => {
    expect(await linux({ "proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/user.slice\n" })).toEqual({
      totalBytes: TOTAL,
      availableBytes: AVAILABLE,
      limitBytes: null,
      source: "/proc/meminfo; no cgroup limit",
    });
  });

  it("is unknown, not nothing, where /proc cannot be read", async () => {
    expect(await linux({})).toEqual({
      totalBytes: null,
      availableBytes: null,
      limitBytes: null,
      source: "/proc/meminfo is not readable; no cgroup limit",
    });
  });

  it("lacks only the number an old kernel does not print", () => {
    expect(parseMeminfo("MemTotal:  1024 kB\nMemFree: 512 kB\n")).toEqual({
      totalBytes: 1024 ** 2,
      availableBytes: null,
    });
  });

  it("heeds a cgroup v2 limit, and does not count cache the kernel can drop as used", async () => {
    const memory = await linux({
      "proc/meminfo": MEMINFO,
      "proc/self/cgroup": "0::/system.slice/lmx.service\n",
      "sys/fs/cgroup/system.slice/lmx.service/memory.max": `${4 * GIB}\n`,
      "sys/fs/cgroup/system.slice/lmx.service/memory.current": `${3 * GIB}\n`,
      "sys/fs/cgroup/system.slice/lmx.service/memory.stat": `anon 5\ninactive_file ${2 * GIB}\nactive_file 7\n`,
    });
    expect(memory).toMatchObject({ totalBytes: TOTAL, availableBytes: 3 * GIB, limitBytes: 4 * GIB });
    expect(memory.source).toContain("cgroup v2 /system.slice/lmx.service");
  });

  it("heeds the limit of a parent that leaves less than its own", async () => {
    const memory = await linux({
      "proc/meminfo": MEMINFO,
      "proc/self/cgroup": "0::/all/own\n",
      "sys/fs/cgroup/all/own/memory.max": `${5 * GIB}\n`,
      "sys/fs/cgroup/all/own/memory.current": "0\n",
      "sys/fs/cgroup/all/memory.max": `${6 * GIB}\n`,
      "sys/fs/cgroup/all/memory.current": `${5 * GIB}\n`,
      "sys/fs/cgroup/all/memory.stat": "inactive_file 0\n",
    });
    expect(memory).toMatchObject({ availableBytes: 1 * GIB, limitBytes: 5 * GIB });
  });

  it("takes what the machine has left when that is less than the cgroup leaves", async () => {
    const memory = await linux({
      "proc/meminfo": MEMINFO,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/memory.max": `${12 * GIB}\n`,
      "sys/fs/cgroup/memory.current": "0\n",
    });
    expect(memory).toMatchObject({ availableBytes: AVAILABLE, limitBytes: 12 * GIB });
  });

  it("finds a container's limit at the mount's root when its path is the host's", async () => {
    const memory = await linux({
      "proc/meminfo": MEMINFO,
      "proc/self/cgroup": "12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": `${2 * GIB}\n`,
      "sys/fs/cgroup/memory/memory.usage_in_bytes": `${1.5 * GIB}\n`,
      "sys/fs/cgroup/memory/memory.stat": `inactive_file 1\ntotal_inactive_file ${0.5 * GIB}\n`,
    });
    expect(memory).toMatchObject({ availableBytes: 1 * GIB, limitBytes: 2 * GIB });
    expect(memory.source).toContain("cgroup v1 /");
  });

  it.each(["max\n", "9223372036854771712\n", "garbage\n", "\n"])("takes %j as no limit", async (text) => {
    const files = {
      "proc/self/cgroup": "4:memory:/a\n0::/a\n",
      "sys/fs/cgroup/memory/a/memory.limit_in_bytes": text,
      "sys/fs/cgroup/a/memory.max": text,
    };
    expect((await linux({ ...files, "proc/meminfo": MEMINFO })).limitBytes).toBeNull();
    expect((await linux(files)).limitBytes).toBeNull();
  });

  it("takes a limit above the machine's memory as none", async () => {
    const memory = await linux({
      "proc/meminfo": MEMINFO,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/memory.max": `${64 * GIB}\n`,
    });
    expect(memory.limitBytes).toBeNull();
  });

  it("says so when a cgroup's use cannot be read, and bounds what is available by its limit", async () => {
    const memory = await linux({
      "proc/meminfo": MEMINFO,
      "proc/self/cgroup": "0::/\n",
      "sys/fs/cgroup/memory.max": `${2 * GIB}\n`,
    });
    expect(memory).toMatchObject({ availableBytes: 2 * GIB, limitBytes: 2 * GIB });
    expect(memory.source).toContain("whose use is not readable");
  });

  it("tells the hierarchies apart", () => {
    expect(parseCgroups("9:cpu,memory:/x/y\n3:cpuset:/\n2:name=memory:/no\n0::/z:1\nbroken\n")).toEqual([
      { version: 1, path: "/x/y" },
      { version: 2, path: "/z:1" },
    ]);
  });
});

describe("the memory of a Mac", () => {
  const mac = (sysctl: string | null, vmStat: string | null) =>
    readMachineMemory({
      platform: "darwin",
      run: async (command) => (command === "sysctl" ? sysctl : vmStat),
    });

  it("is limited to what the operator lets the GPU wire", async () => {
    expect(await mac(`${128 * GIB}\n114688\n`, VM_STAT)).toEqual({
      totalBytes: 128 * GIB,
      availableBytes: VM_AVAILABLE,
      limitBytes: 112 * GIB,
      source: "hw.memsize; vm_stat; the limit is iogpu.wired_limit_mb",
    });
  });

  it.each([`${64 * GIB}\n0\n`, `${64 * GIB}\n`])(
    "is limited to the system's default after %j",
    async (text) => {
      const memory = await mac(text, VM_STAT);
      expect(memory.limitBytes).toBe(48 * GIB);
      expect(memory.source).toContain("default");
    },
  );

  it("is unknown, not nothing, when the commands fail", async () => {
    expect(await mac(null, null)).toMatchObject({ totalBytes: null, availableBytes: null, limitBytes: null });
  });

  it.each([
    [16, 10.66],
    [32, 21.33],
    [36, 27],
    [128, 96],
  ])("of %d GiB allows the GPU %d by default", (total, allowed) => {
    expect(defaultWiredLimit(total * GIB) / GIB).toBeCloseTo(allowed, 1);
  });

  it("is read from pages of either size", () => {
    expect(parseVmStat(VM_STAT)).toBe(VM_AVAILABLE);
    expect(parseVmStat(VM_STAT.replace("16384", "4096"))).toBe(VM_AVAILABLE / 4);
  });

  it.each(["", "Pages free: 5.\n", "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"])(
    "is unknown after %j",
    (text) => expect(parseVmStat(text)).toBeNull(),
  );

  it("takes no word for a number", () => {
    expect(parseSysctl("sysctl: unknown oid\nabc\n")).toEqual({ totalBytes: null, wiredLimitBytes: null });
  });
});

describe("running a command of the system", () => {
  it("keeps what a failing one printed", async () => {
    expect(await runText("sh", ["-c", "echo 17; echo unknown >&2; exit 1"])).toBe("17\n");
  });

  it("is null where there is no such command", async () => {
    expect(await runText("lmx-no-such-command", [])).toBeNull();
  });
});
