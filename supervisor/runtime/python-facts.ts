import { z } from "zod";

/** What a Python interpreter says about itself. */
export const pythonFactsSchema = z.object({
  /** Absolute path of the interpreter itself: behind a shim or a virtual environment, the Python they stand on. */
  executable: z.string().startsWith("/"),
  /** Full version, as "3.13.1". */
  version: z.string().regex(/^\d+\.\d+\.\d+/),
  implementation: z.string(),
  /** `sys.platform`: "linux" or "darwin". */
  platform: z.string(),
  /** CPU the interpreter was built for, as "arm64"; under Rosetta "x86_64". */
  machine: z.string(),
  /** The C library on Linux ("glibc 2.36"), the version of macOS; empty when unknown. */
  system: z.string(),
  /** A free-threaded build needs other wheels than the locked ones. */
  freeThreaded: z.boolean(),
});

export type PythonFacts = z.infer<typeof pythonFactsSchema>;

/** Program for `python -c` that prints {@link PythonFacts} as JSON; old enough in style for Python 3.6 to answer. */
export const PYTHON_FACTS_PROGRAM = `
import json, platform, sys, sysconfig
print(json.dumps({
    "executable": sys.executable if sys.prefix == sys.base_prefix else sys._base_executable,
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "platform": sys.platform,
    "machine": platform.machine(),
    "system": "macOS " + platform.mac_ver()[0] if sys.platform == "darwin" else " ".join(platform.libc_ver()).strip(),
    "freeThreaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
`;

/** "3.13.1" → "3.13": what wheels and `site-packages` belong to. */
export function minorOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}
