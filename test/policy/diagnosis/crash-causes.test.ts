import { describe, expect, it } from "vitest";
import { CRASH_CAUSES } from "../../../supervisor/policy/diagnosis/crash-causes.ts";
import { causeNamed, findCause } from "../../../supervisor/policy/diagnosis/find-cause.ts";

const nothing = { stderrTail: "", signal: null, code: null, phase: "serving", fatal: null } as const;
const ABRT = { signal: "SIGABRT" };
const EXIT = { code: 1 };
const LOAD = { code: 1, phase: "loading" } as const;

/** What an uncaught C++ exception prints on macOS before it aborts. */
const uncaught = (text: string) =>
  `libc++abi: terminating due to uncaught exception of type std::runtime_error: ${text}\n`;
const metal = (text: string) => uncaught(`[METAL] Command buffer execution failed: ${text}`);
const traceback = (error: string) =>
  `Traceback (most recent call last):\n  File "/r/lib/mlx_lm/generate.py", line 412, in step\n    mx.eval(y)\n${error}\n`;

/** Stderr as it was written, and how the process ended, for every row of the table. */
const RECORDED: readonly (readonly [string, string, Partial<Parameters<typeof findCause>[0]>])[] = [
  ["gpu_oom", metal("Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"), ABRT],
  [
    "gpu_oom",
    traceback("RuntimeError: [METAL] Command buffer execution failed: Insufficient Memory (00000008:…)"),
    EXIT,
  ],
  ["gpu_timeout", metal("Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)"), ABRT],
  [
    "gpu_preempted",
    metal("Impacting Interactivity (0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)"),
    ABRT,
  ],
  ["gpu_fault", metal("Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)"), ABRT],
  [
    "gpu_fault",
    metal("Caused GPU Address Fault Error (0000000b:kIOGPUCommandBufferCallbackErrorPageFault)"),
    ABRT,
  ],
  [
    "gpu_collateral",
    metal("Innocent Victim of GPU Error (00000005:kIOGPUCommandBufferCallbackErrorInnocentVictim)"),
    ABRT,
  ],
  [
    "gpu_collateral",
    metal(
      "Ignored (for causing prior/excessive GPU errors) (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)",
    ),
    ABRT,
  ],
  ["gpu_error", metal("Internal Error (0000000e:Internal Error)"), ABRT],
  ["gpu_objects", traceback("RuntimeError: [metal::malloc] Resource limit (499000) exceeded."), EXIT],
  [
    "alloc_too_big",
    traceback(
      "RuntimeError: [metal::malloc] Attempting to allocate 137438953472 bytes which is greater than the maximum allowed buffer size of 86586540032 bytes.",
    ),
    EXIT,
  ],
  ["host_oom", traceback("RuntimeError: [malloc] Unable to allocate 70368744177664 bytes."), EXIT],
  [
    "host_oom",
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
    ABRT,
  ],
  ["host_oom", traceback("MemoryError"), EXIT],
  [
    "host_oom",
    traceback("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 TiB for an array"),
    EXIT,
  ],
  ["bad_install", uncaught("[metal::Device] Unable to load kernel rope_single_float16"), ABRT],
  ["bad_install", traceback("RuntimeError: Failed to load the default metallib. library not found"), EXIT],
  ["no_gpu", traceback("RuntimeError: [metal::load_device] No Metal device available."), EXIT],
  ["version_mismatch", traceback("RuntimeError: There is no Stream(gpu, 1) in current thread."), EXIT],
  [
    "native_race",
    "-[_MTLCommandBuffer addCompletedHandler:]:1011: failed assertion `Completed handler provided after commit call'\n",
    ABRT,
  ],
  [
    "native_race",
    "-[IOGPUMetalCommandBuffer validate]:214: failed assertion `commit an already committed command buffer'\n",
    ABRT,
  ],
  [
    "cpu_jit",
    traceback("RuntimeError: [Compile::eval_cpu] Failed to compile function ExpMultiply: g++: not found"),
    EXIT,
  ],
  ["cpu_jit", traceback("RuntimeError: Could not load C++ shared library /tmp/mlx/x.so: cannot open"), EXIT],
  ["rank_lost", traceback("RuntimeError: [ring] connection to a peer was lost"), EXIT],
  ["rlimit", traceback("ValueError: not allowed to raise maximum limit"), EXIT],
  ["arch_unsupported", traceback("ValueError: Model type glm_moe_dsa not supported."), LOAD],
  [
    "arch_unsupported",
    traceback("AttributeError: module 'mlx_lm.models.base' has no attribute 'Model'"),
    LOAD,
  ],
  [
    "untrusted_code",
    traceback(
      "ValueError: The repository org/x contains custom code which must be executed to correctly load the model.\nPlease pass the argument `trust_remote_code=True` to allow custom code to be run.",
    ),
    LOAD,
  ],
  ["model_invalid", traceback("FileNotFoundError: No safetensors found in /models/x"), LOAD],
  ["model_invalid", traceback("ValueError: Missing 9 parameters: \nmodel.layers.3.mlp.up_proj.weight"), LOAD],
  ["model_invalid", traceback("ValueError: Received 4 parameters not in model: \nlm_head.bias"), LOAD],
  [
    "model_invalid",
    traceback("ValueError: Expected shape (64, 32) but received shape (64, 16) for parameter lm_head.weight"),
    LOAD,
  ],
  [
    "model_invalid",
    traceback(
      "RuntimeError: [load_safetensors] Tensor 'a' invalid data offsets 0 8192 exceeding the size of the file 4096",
    ),
    LOAD,
  ],
  [
    "model_invalid",
    traceback(
      "RuntimeError: [load_safetensors] The JSON header is 16 bytes long but the file is only 10 bytes.",
    ),
    LOAD,
  ],
  [
    "model_invalid",
    traceback("RuntimeError: [load_safetensors] Invalid json header length m.safetensors"),
    LOAD,
  ],
  ["model_invalid", traceback("RuntimeError: [read] Unable to read 5 bytes from file."), LOAD],
  ["model_invalid", traceback("json.JSONDecodeError: Failed to parse tokenizer.json: Expecting value"), LOAD],
  ["model_invalid", traceback("ValueError: Couldn't instantiate the backend tokenizer from one of:"), LOAD],
  [
    "model_invalid",
    traceback("TypeError: ModelArgs.__init__() missing 3 required positional arguments: 'hidden_size'"),
    LOAD,
  ],
  [
    "deadman",
    'Timeout (0:01:30)!\nThread 0x00007f8b309cdb80 (most recent call first):\n  File "worker.py", line 1 in run\n',
    EXIT,
  ],
  [
    "native_segv",
    "Fatal Python error: Bus error\n\nCurrent thread 0x0000 (most recent call first):\n",
    { signal: "SIGBUS" },
  ],
  ["native_segv", "", { signal: "SIGSEGV" }],
  [
    "native_segv",
    'Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f8b309cdb80 (most recent call first):\n  File "<string>", line 1 in <module>\n',
    { code: 139 },
  ],
  ["native_abort", uncaught("something never seen before"), ABRT],
  ["killed_oom", "", { signal: "SIGKILL", memoryShort: true }],
  ["killed_external", "", { signal: "SIGKILL" }],
  ["cpu_unsupported", "", { signal: "SIGILL" }],
  ["engine_bug", traceback("IndexError: list index out of range"), EXIT],
  ["wedged", "", { fatal: { cause: "wedged", message: "no progress for 120 s" } }],
];

describe("the table of crash causes", () => {
  it.each(RECORDED)("finds %s", (cause, stderrTail, facts) => {
    expect(findCause({ ...nothing, ...facts, stderrTail })?.cause).toBe(cause);
  });

  it("has a recorded example for every row and every pattern", () => {
    const said = (row: (typeof CRASH_CAUSES)[number]) =>
      RECORDED.filter(([cause]) => cause === row.cause).flatMap(([, text]) => text.split("\n"));
    for (const row of CRASH_CAUSES) {
      expect(RECORDED.map(([cause]) => cause)).toContain(row.cause);
      for (const pattern of row.patterns ?? []) {
        expect(
          said(row).some((line) => pattern.test(line)),
          `${row.cause} ${pattern}`,
        ).toBe(true);
      }
    }
  });

  it("finds nothing in an ordinary end", () => {
    expect(findCause({ ...nothing, code: 0, stderrTail: "loaded 12 layers\n" })).toBeNull();
    expect(findCause({ ...nothing, signal: "SIGTRAP" })).toBeNull();
  });

  it("names the first fault when later texts follow from it", () => {
    const stderrTail =
      metal("Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)") +
      metal("Ignored (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)");
    expect(findCause({ ...nothing, ...ABRT, stderrTail })?.cause).toBe("gpu_fault");
  });

  it("does not take old words for the reason of a kill from outside", () => {
    const stderrTail = traceback("RuntimeError: [malloc] Unable to allocate 5 bytes.");
    expect(findCause({ ...nothing, signal: "SIGKILL", stderrTail })?.cause).toBe("killed_external");
    expect(findCause({ ...nothing, signal: "SIGTERM", stderrTail })).toBeNull();
  });

  it("finds a text far before the end, as C++ writes before Python's frames", () => {
    const stderrTail = metal("(00000003:kIOGPUCommandBufferCallbackErrorHang)") + "  File x\n".repeat(5_000);
    expect(findCause({ ...nothing, ...ABRT, stderrTail })?.cause).toBe("gpu_fault");
  });

  it("believes a worker that names its cause, and reads its message when the name is strange", () => {
    const fatal = { cause: "gpu_oom", message: "out" };
    expect(findCause({ ...nothing, code: 1, fatal })?.cause).toBe("gpu_oom");
    const strange = { cause: "unknown", message: "[malloc] Unable to allocate 5 bytes." };
    expect(findCause({ ...nothing, code: 1, fatal: strange })?.cause).toBe("host_oom");
    expect(findCause({ ...nothing, code: 1, fatal: { cause: "x", message: "y" } })).toBeNull();
  });

  it("knows its rows by name", () => {
    expect(causeNamed("wedged")?.hint).toBe("respawn_now");
    expect(causeNamed("no such cause")).toBeNull();
  });
});
