import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where this installation keeps what is not TypeScript. */
export interface PackageFiles {
  readonly version: string;
  /** Holds the `lmx_worker` package. */
  readonly workerDirectory: string;
  /** The hash-locked requirements of the worker's runtime. */
  readonly requirementsLock: string;
  /** The embedded demonstration model. */
  readonly demoModelDirectory: string;
}

/** Finds the package from the place of this file: the sources in a clone, the build in an installed package. */
export function packageFiles(): PackageFiles {
  let root = import.meta.dirname;
  while (!existsSync(join(root, "worker", "requirements.lock"))) {
    const parent = dirname(root);
    if (parent === root)
      throw new Error(
        `The installation is incomplete: no worker/requirements.lock above ${import.meta.dirname}`,
      );
    root = parent;
  }
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return {
    version,
    // For tests and development: another directory with an `lmx_worker` package.
    workerDirectory: process.env.OPTA_LMX_WORKER_DIRECTORY ?? join(root, "worker"),
    requirementsLock: join(root, "worker", "requirements.lock"),
    demoModelDirectory: join(root, "worker", "demo_model", "model"),
  };
}
