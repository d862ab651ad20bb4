import type { Dossier } from "../../shared/dossier.ts";

/** What a dossier must say of a death whose cause is known. */
export interface KnownDeath {
  readonly phase: Dossier["phase"];
  readonly class: Dossier["class"];
  readonly cause: string;
  readonly signal?: string | RegExp;
  readonly code?: number | undefined;
  /** A part of the advice that stands with no other cause; null: nothing is known. */
  readonly advice: RegExp | null;
  readonly recovery: Dossier["recovery"];
  /** The line that gives the cause away; null: it had no chance to say anything. */
  readonly said: string | RegExp | null;
  /** Why the supervisor ended it; nothing: it died by itself. */
  readonly endedBy?: RegExp;
  /** False: nothing is held against the model; true when not given, for crashes and want of resources. */
  readonly counted?: boolean;
}

/** A death of the fixture worker, with the words that Metal, MLX or Python would have written. */
export interface ScriptedDeath extends KnownDeath {
  readonly signal?: string;
  readonly name: string;
  /** What stands before the telling line. */
  readonly before?: string;
  /** What stands after it. */
  readonly after?: string;
  readonly fatal?: { readonly cause: string; readonly message: string };
}

const LESS_MEMORY = /smaller quantisation/;
const UPDATE_MLX = /^Update the runtime and macOS/;
const crash = { class: "crash", recovery: "respawn_now" } as const;
const resource = { class: "resource", recovery: "wait" } as const;
const environment = { class: "environment", recovery: "do_not_retry" } as const;
const verdict = { class: "deterministic", recovery: "do_not_retry", phase: "loading", code: 1 } as const;

/** How an uncaught C++ exception ends: the text, then Python's frames, which are long. */
const aborted = {
  phase: "serving",
  signal: "SIGABRT",
  before: "libc++abi: terminating due to uncaught exception of type std::runtime_error: ",
  after: `\nFatal Python error: Aborted\n\nThread 0x00000001f8 (most recent call first):\n${frames(60)}`,
} as const;
const metal = { ...aborted, before: `${aborted.before}[METAL] Command buffer execution failed: ` } as const;
/** How an uncaught Python exception ends. */
const raised = {
  phase: "serving",
  code: 1,
  before: `Traceback (most recent call last):\n  File "/r/lib/mlx_lm/generate.py", line 412, in step\n    mx.eval(y)\n`,
} as const;

function frames(count: number): string {
  return Array.from(
    { length: count },
    (_, n) => `  File "/r/lib/mlx_lm/generate.py", line ${n} in step\n`,
  ).join("");
}

/** The GPU driver's own words, as they reach stderr in an answer. */
const METAL: readonly ScriptedDeath[] = [
  {
    name: "kIOGPUCommandBufferCallbackErrorOutOfMemory",
    ...metal,
    ...resource,
    cause: "gpu_oom",
    said: "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    advice: LESS_MEMORY,
  },
  {
    name: "Insufficient Memory (00000008 as a Python error",
    ...raised,
    ...resource,
    cause: "gpu_oom",
    said: "RuntimeError: [METAL] Command buffer execution failed: Insufficient Memory (00000008:…)",
    advice: LESS_MEMORY,
  },
  {
    name: "kIOGPUCommandBufferCallbackErrorTimeout",
    ...metal,
    ...crash,
    cause: "gpu_timeout",
    said: "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
    advice: /smaller prefill chunk; check whether the machine swaps/,
  },
  {
    name: "kIOGPUCommandBufferCallbackErrorImpactingInteractivity",
    ...metal,
    ...crash,
    cause: "gpu_preempted",
    said: "Impacting Interactivity (0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)",
    advice: /close other programs that use the GPU/,
  },
  {
    name: "kIOGPUCommandBufferCallbackErrorHang",
    ...metal,
    ...crash,
    cause: "gpu_fault",
    said: "Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)",
    advice: UPDATE_MLX,
  },
  {
    name: "kIOGPUCommandBufferCallbackErrorPageFault",
    ...metal,
    ...crash,
    cause: "gpu_fault",
    said: "Caused GPU Address Fault Error (0000000b:kIOGPUCommandBufferCallbackErrorPageFault)",
    advice: UPDATE_MLX,
  },
  {
    name: "kIOGPUCommandBufferCallbackErrorInnocentVictim, which is nobody's fault here",
    ...metal,
    ...crash,
    cause: "gpu_collateral",
    said: "Innocent Victim of GPU Error (00000005:kIOGPUCommandBufferCallbackErrorInnocentVictim)",
    advice: /^Another process made the GPU fail/,
    counted: false,
  },
  {
    name: "kIOGPUCommandBufferCallbackErrorSubmissionsIgnored, which is nobody's fault here",
    ...metal,
    ...crash,
    cause: "gpu_collateral",
    said: "Ignored (for causing prior/excessive GPU errors) (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)",
    advice: /^Another process made the GPU fail/,
    counted: false,
  },
  {
    name: "[METAL] Command buffer execution failed, for a reason never seen before",
    ...metal,
    ...crash,
    cause: "gpu_error",
    said: "Internal Error (0000000e:Internal Error)",
    advice: UPDATE_MLX,
  },
  {
    name: "the first fault, when the driver's later words follow from it",
    ...metal,
    ...crash,
    cause: "gpu_fault",
    said: "Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)",
    after: `\n${metal.before}Ignored (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)\n`,
    advice: UPDATE_MLX,
  },
  {
    name: "failed assertion of a CommandBuffer",
    ...aborted,
    ...crash,
    before: "",
    cause: "native_race",
    said: "-[IOGPUMetalCommandBuffer validate]:214: failed assertion `commit an already committed command buffer'",
    advice: /^Two threads used the GPU at once/,
  },
];

/** MLX's allocator and its group of ranks. */
const MLX: readonly ScriptedDeath[] = [
  {
    name: "Resource limit (499000) exceeded",
    ...raised,
    ...resource,
    recovery: "respawn_now",
    cause: "gpu_objects",
    said: "RuntimeError: [metal::malloc] Resource limit (499000) exceeded.",
    advice: /^The worker held too many GPU buffers/,
  },
  {
    name: "greater than the maximum allowed buffer",
    ...raised,
    ...crash,
    cause: "alloc_too_big",
    said: "RuntimeError: [metal::malloc] Attempting to allocate 137438953472 bytes which is greater than the maximum allowed buffer size of 86586540032 bytes.",
    advice: /smaller prefill chunk or a shorter context/,
  },
  {
    name: "std::bad_alloc",
    ...aborted,
    ...resource,
    before: "terminate called after throwing an instance of 'std::bad_alloc'\n",
    cause: "host_oom",
    said: "  what():  std::bad_alloc",
    advice: LESS_MEMORY,
  },
  {
    name: "[ring] connection to a peer was lost",
    ...raised,
    ...crash,
    cause: "rank_lost",
    said: "RuntimeError: [ring] connection to a peer was lost",
    advice: /^Restart all ranks of the group/,
  },
  {
    name: "a fatal error that the worker reports itself",
    ...resource,
    phase: "serving",
    code: 70,
    fatal: { cause: "gpu_oom", message: "[METAL] Command buffer execution failed: Insufficient Memory" },
    cause: "gpu_oom",
    said: "lmx_worker: the engine is lost",
    advice: LESS_MEMORY,
  },
  {
    name: "a missing metallib, after the model has served: the runtime worked before",
    ...raised,
    class: "crash",
    recovery: "do_not_retry",
    cause: "bad_install",
    said: "RuntimeError: Failed to load the default metallib. library not found",
    advice: /mlx and mlx-metal wheels match/,
  },
];

/** What the runtime or the machine lacks shows while a model is loaded, and is no fault of the model. */
const SURROUNDINGS: readonly ScriptedDeath[] = [
  {
    name: "Failed to load the default metallib",
    ...raised,
    ...environment,
    phase: "loading",
    cause: "bad_install",
    said: "RuntimeError: Failed to load the default metallib. library not found",
    advice: /mlx and mlx-metal wheels match/,
  },
  {
    name: "No Metal device available",
    ...raised,
    ...environment,
    phase: "loading",
    cause: "no_gpu",
    said: "RuntimeError: [metal::load_device] No Metal device available.",
    advice: /a virtual machine or a sandbox may hide it/,
  },
  {
    name: "There is no Stream(gpu, 1)",
    ...raised,
    ...environment,
    phase: "loading",
    cause: "version_mismatch",
    said: "RuntimeError: There is no Stream(gpu, 1) in current thread.",
    advice: /an mlx-lm release made for this mlx/,
  },
  {
    name: "not allowed to raise maximum limit",
    ...raised,
    ...environment,
    phase: "loading",
    cause: "rlimit",
    said: "ValueError: not allowed to raise maximum limit",
    advice: /hard limit of open files/,
  },
  {
    name: "[Compile::eval_cpu] Failed to compile",
    ...raised,
    ...environment,
    phase: "loading",
    recovery: "wait",
    cause: "cpu_jit",
    said: "RuntimeError: [Compile::eval_cpu] Failed to compile function ExpMultiply: g++: not found",
    advice: /MLX_DISABLE_COMPILE=1/,
  },
];

/** mlx_lm's words about a model's files, and errors nobody has seen before. */
const PYTHON: readonly ScriptedDeath[] = [
  {
    name: "Model type not supported",
    ...raised,
    ...verdict,
    cause: "arch_unsupported",
    said: "ValueError: Model type glm_moe_dsa not supported.",
    advice: /whose mlx_lm knows this architecture/,
  },
  {
    name: "a repository with custom code",
    ...raised,
    ...verdict,
    cause: "untrusted_code",
    said: "ValueError: The repository org/x contains custom code which must be executed to correctly load the model.",
    advice: /set trust_code/,
  },
  {
    name: "Unable to read bytes of the weights",
    ...raised,
    ...verdict,
    cause: "model_invalid",
    said: "RuntimeError: [read] Unable to read 8192 bytes from file.",
    advice: /^Download the model's files again; they are damaged/,
  },
  ...(["loading", "canary", "serving"] as const).map((phase) => ({
    name: `a Python traceback and exit code 1 (${phase})`,
    ...raised,
    ...crash,
    phase,
    cause: "engine_bug",
    said: "IndexError: list index out of range",
    advice: /^Report it with the dossier$/,
  })),
  {
    name: "an exit code nobody knows",
    ...crash,
    phase: "serving",
    code: 3,
    recovery: null,
    cause: "exit_3",
    said: "something never seen before",
    advice: null,
  },
  {
    name: "an uncaught C++ exception that names nothing known",
    ...aborted,
    ...crash,
    cause: "native_abort",
    said: "something never seen before",
    advice: /^Read the last words in its log/,
  },
  {
    name: "the last words after more than stderr's ring holds",
    ...raised,
    ...resource,
    before: `${"noise of a library that says a lot\n".repeat(8_000)}${raised.before}`,
    cause: "host_oom",
    said: "RuntimeError: [malloc] Unable to allocate 70368744177664 bytes.",
    advice: LESS_MEMORY,
  },
  {
    name: "SIGKILL after words that would mean something else",
    ...raised,
    ...resource,
    code: undefined,
    signal: "SIGKILL",
    recovery: "respawn_now",
    cause: "killed_external",
    said: "RuntimeError: [malloc] Unable to allocate 5 bytes.",
    advice: /look into the system log/,
  },
];

/** All of them in an order in which each comes once. */
export const SCRIPTED_DEATHS: readonly ScriptedDeath[] = [...METAL, ...MLX, ...SURROUNDINGS, ...PYTHON];
