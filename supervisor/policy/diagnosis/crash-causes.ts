import type { ErrorCode } from "../../../shared/errors.ts";
import type { Failure } from "../lifecycle/model-state.ts";
import type { WorkerPhase } from "./worker-phase.ts";

/** What to do about it before the next try. */
export type RecoveryHint = "respawn_now" | "wait" | "do_not_retry";

/** One named cause and what gives it away. Every condition that is present must hold. */
export interface CrashCause {
  readonly cause: string;
  /** One of these is in one line of what was said; a row without any of the three conditions is known by name only. */
  readonly patterns?: readonly RegExp[];
  readonly signals?: readonly string[];
  readonly exitCodes?: readonly number[];
  /** Only when the worker had come this far. */
  readonly phases?: readonly WorkerPhase[];
  /** Only when memory was short at the time. */
  readonly memoryShort?: true;
  readonly class: Failure["class"];
  /** The error's code, for a verdict on the model. */
  readonly code?: ErrorCode;
  /** What an operator can do. */
  readonly advice: string;
  readonly hint: RecoveryHint;
  /** True: neither the model nor a request is to blame. */
  readonly blameless?: true;
}

const LOADING: readonly WorkerPhase[] = ["loading"];
const LESS_MEMORY = "Lower the context, the concurrency or the cache, or use a smaller quantisation";
const UPDATE_MLX = "Update the runtime and macOS; suspect the request that was running";
const MODEL_FILES = "Download the model's files again; they are damaged or do not belong together";

/**
 * Texts of MLX, Metal, Python and mlx_lm, and what they mean; the first match wins. What the GPU driver says comes first;
 * what was said comes before how it ended, because an uncaught C++ error of any kind ends in SIGABRT.
 */
export const CRASH_CAUSES: readonly CrashCause[] = [
  {
    cause: "gpu_oom",
    patterns: [/kIOGPUCommandBufferCallbackErrorOutOfMemory/, /Insufficient Memory \(00000008/],
    class: "resource",
    advice: LESS_MEMORY,
    hint: "wait",
  },
  {
    cause: "gpu_timeout",
    patterns: [/kIOGPUCommandBufferCallbackErrorTimeout/, /Caused GPU Timeout Error \(00000002/],
    class: "crash",
    advice: "Use a smaller prefill chunk; check whether the machine swaps",
    hint: "respawn_now",
  },
  {
    cause: "gpu_preempted",
    patterns: [/kIOGPUCommandBufferCallbackErrorImpactingInteractivity/],
    class: "crash",
    advice: "Use a smaller prefill chunk and close other programs that use the GPU",
    hint: "respawn_now",
  },
  {
    cause: "gpu_fault",
    patterns: [/kIOGPUCommandBufferCallbackError(?:Hang|PageFault)/],
    class: "crash",
    advice: UPDATE_MLX,
    hint: "respawn_now",
  },
  {
    cause: "gpu_collateral",
    patterns: [/kIOGPUCommandBufferCallbackError(?:InnocentVictim|SubmissionsIgnored)/],
    class: "crash",
    advice: "Another process made the GPU fail; nothing is wrong with this model",
    hint: "respawn_now",
    blameless: true,
  },
  {
    cause: "gpu_error",
    patterns: [/\[METAL\] Command buffer execution failed/],
    class: "crash",
    advice: UPDATE_MLX,
    hint: "respawn_now",
  },
  {
    cause: "gpu_objects",
    patterns: [/\[metal::malloc\] Resource limit \(\d+\) exceeded/],
    class: "resource",
    advice: "The worker held too many GPU buffers; a new one starts with none. Lower the cache if it returns",
    hint: "respawn_now",
  },
  {
    cause: "alloc_too_big",
    patterns: [/\[metal::malloc\] Attempting to allocate .{0,80}greater than the maximum allowed buffer/],
    class: "crash",
    advice: "Use a smaller prefill chunk or a shorter context",
    hint: "respawn_now",
  },
  {
    cause: "host_oom",
    patterns: [/\[malloc\] Unable to allocate/, /std::bad_alloc/, /^(?:\w+\.)*_?\w*MemoryError\b/],
    class: "resource",
    advice: LESS_MEMORY,
    hint: "wait",
  },
  {
    cause: "bad_install",
    patterns: [/Unable to load kernel/, /Failed to load the default metallib/],
    class: "environment",
    advice: "Rebuild the runtime so that the mlx and mlx-metal wheels match",
    hint: "do_not_retry",
  },
  {
    cause: "no_gpu",
    patterns: [/No Metal device available/],
    class: "environment",
    advice: "Run in a session that can reach the GPU; a virtual machine or a sandbox may hide it",
    hint: "do_not_retry",
  },
  {
    cause: "version_mismatch",
    patterns: [/There is no Stream\(gpu, \d+\)/],
    class: "environment",
    advice: "Use an mlx-lm release made for this mlx",
    hint: "do_not_retry",
  },
  {
    cause: "native_race",
    patterns: [
      /failed assertion.*Command ?(?:Buffer|Encoder)/i,
      /Command ?(?:Buffer|Encoder).*failed assertion/i,
    ],
    class: "crash",
    advice: "Two threads used the GPU at once; report it with the dossier",
    hint: "respawn_now",
  },
  {
    cause: "cpu_jit",
    patterns: [/\[Compile::eval_cpu\] Failed to compile/, /Could not load C\+\+ shared library/],
    class: "environment",
    advice: "Delete MLX's cache of compiled kernels, check the C++ compiler, or set MLX_DISABLE_COMPILE=1",
    hint: "wait",
  },
  {
    cause: "rank_lost",
    patterns: [/\[ring\] connection to a peer was lost/i],
    class: "crash",
    advice: "Restart all ranks of the group together",
    hint: "respawn_now",
  },
  {
    cause: "rlimit",
    patterns: [/not allowed to raise maximum limit/],
    class: "environment",
    advice: "Raise the hard limit of open files (ulimit -Hn) for the service",
    hint: "do_not_retry",
  },
  {
    cause: "deadman",
    patterns: [/^Timeout \(\d+:\d\d:\d\d(?:\.\d+)?\)!$/],
    exitCodes: [1],
    class: "crash",
    advice:
      "The service was stopped or asleep for longer than its workers wait for a sign of life; nothing is wrong with this model",
    hint: "respawn_now",
    blameless: true,
  },
  {
    cause: "arch_unsupported",
    patterns: [
      /^ValueError: Model type .{1,200} not supported/,
      /module 'mlx_lm\.models\.\w+' has no attribute 'Model'/,
    ],
    exitCodes: [1],
    phases: LOADING,
    class: "deterministic",
    code: "model_unsupported_arch",
    advice: "Use a runtime whose mlx_lm knows this architecture",
    hint: "do_not_retry",
  },
  {
    cause: "untrusted_code",
    patterns: [/trust_remote_code ?= ?True/, /contains custom code which must be executed/],
    exitCodes: [1],
    phases: LOADING,
    class: "deterministic",
    code: "model_unsupported_arch",
    advice: "Read the Python code that comes with the model, then set trust_code for it",
    hint: "do_not_retry",
  },
  {
    cause: "model_invalid",
    patterns: [
      /No safetensors found in/,
      /^ValueError: (?:Missing|Received) \d+ parameters/,
      /Expected shape .{1,200} but received shape .{1,200} for parameter/,
      /\[load_safetensors\] .{0,300}(?:invalid data offsets|exceeding the size of the file)/,
      /JSON header is \d+ bytes long but the file is only/,
      /Invalid json header length/,
      /\[read\] Unable to read \d+ bytes/,
      /Failed to parse tokenizer\.json/,
      /Couldn't instantiate the backend tokenizer/,
      /ModelArgs\.__init__\(\) missing \d+ required/,
    ],
    exitCodes: [1],
    phases: LOADING,
    class: "deterministic",
    code: "model_incomplete",
    advice: MODEL_FILES,
    hint: "do_not_retry",
  },
  {
    cause: "native_segv",
    signals: ["SIGBUS"],
    class: "crash",
    advice:
      "Check that no file of the model was cut short or removed while it was in use; else as for SIGSEGV",
    hint: "respawn_now",
  },
  {
    cause: "native_segv",
    signals: ["SIGSEGV"],
    class: "crash",
    advice: UPDATE_MLX,
    hint: "respawn_now",
  },
  {
    cause: "native_segv",
    patterns: [/Fatal Python error: (?:Segmentation fault|Bus error)/],
    class: "crash",
    advice: UPDATE_MLX,
    hint: "respawn_now",
  },
  {
    cause: "native_abort",
    signals: ["SIGABRT"],
    class: "crash",
    advice: "Read the last words in its log; update the runtime if they name MLX",
    hint: "respawn_now",
  },
  {
    cause: "killed_oom",
    signals: ["SIGKILL"],
    memoryShort: true,
    class: "resource",
    advice: "Unload another model first, or lower this one's context, concurrency or cache",
    hint: "wait",
  },
  {
    cause: "killed_external",
    signals: ["SIGKILL"],
    class: "resource",
    advice: "The system's memory guard or somebody killed it; look into the system log",
    hint: "respawn_now",
  },
  {
    cause: "cpu_unsupported",
    signals: ["SIGILL"],
    class: "crash",
    advice: "Install a runtime built for this processor",
    hint: "do_not_retry",
  },
  {
    cause: "engine_bug",
    patterns: [/^Traceback \(most recent call last\):/],
    exitCodes: [1],
    phases: ["loading", "canary", "serving"],
    class: "crash",
    advice: "Report it with the dossier",
    hint: "respawn_now",
  },
  {
    cause: "wedged",
    class: "crash",
    advice: "It lived and made no progress; its stack dump is in the dossier",
    hint: "respawn_now",
  },
];
