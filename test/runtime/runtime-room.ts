import { execFile, spawn } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { RuntimeProgress } from "../../supervisor/runtime/build-runtime.ts";
import { findPython } from "../../supervisor/runtime/find-python.ts";
import type { Runtime } from "../../supervisor/runtime/runtime-marker.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");

/** Proves a runtime that holds only the tiny package of these tests. */
export const TINY_PROOF = `
import json, platform, lmx_tiny
print(json.dumps({"python": platform.python_version(), "mlx": lmx_tiny.MLX, "mlx_lm": ""}))
`;

/** What fixtures/ensures-a-runtime.ts prints. */
export type RoomEvent =
  | RuntimeProgress
  | { readonly kind: "runtime"; readonly runtime: Runtime }
  | { readonly kind: "error"; readonly error: { kind: string; message: string; nextStep: string } };

/** A directory for one test: its own runtimes, its own PATH with only a `python3`, and a package index of one wheel. */
export class RuntimeRoom {
  readonly runtimes: string;
  readonly lockFile: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly #directory: string;
  readonly #python: string;

  private constructor(directory: string, python: string) {
    this.#directory = directory;
    this.#python = python;
    this.runtimes = join(directory, "runtimes");
    this.lockFile = join(directory, "requirements.lock");
    const wheels = join(directory, "wheels");
    this.environment = {
      PATH: join(directory, "bin"),
      HOME: directory,
      PIP_NO_INDEX: "1",
      PIP_FIND_LINKS: wheels,
    };
  }

  static async open(): Promise<RuntimeRoom> {
    const { executable } = await findPython(process.env);
    const directory = await mkdtemp(join(tmpdir(), "lmx-runtime-"));
    const room = new RuntimeRoom(directory, executable);
    await Promise.all([mkdir(join(directory, "bin")), mkdir(join(directory, "wheels"))]);
    await symlink(executable, join(directory, "bin", "python3"));
    await room.lockPackage("MLX = '1.0'\n");
    return room;
  }

  close(): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true });
  }

  /** Puts a package with this source into the index and locks it. */
  async lockPackage(source: string): Promise<void> {
    const wheels = join(this.#directory, "wheels");
    const script = join(FIXTURES, "make_wheel.py");
    const { stdout } = await promisify(execFile)(this.#python, [script, wheels, "lmx_tiny", source]);
    await this.lock(`lmx-tiny==1.0 --hash=sha256:${stdout.trim()}`);
  }

  async lock(requirements: string): Promise<void> {
    await writeFile(this.lockFile, `${requirements}\n`);
  }

  /** Puts a fixture script under this name before everything else on the PATH of the room. */
  async putOnPath(name: string, fixture: string): Promise<void> {
    const path = join(this.#directory, "bin", name);
    await rm(path, { force: true });
    await copyFile(join(FIXTURES, fixture), path);
    await chmod(path, 0o755);
  }

  /** Starts another process that asks for the runtime. */
  start(command: readonly string[] = []): Asker {
    const [file = process.execPath, ...args] = [...command, process.execPath];
    const script = fileURLToPath(import.meta.resolve("./fixtures/ensures-a-runtime.ts"));
    return new Asker(file, [...args, script, this.runtimes, this.lockFile, TINY_PROOF], this.environment);
  }

  /** What lies in the directory of the runtimes. */
  names(): Promise<string[]> {
    return readdir(this.runtimes);
  }
}

/** A process that asks for the runtime, and what it has said. */
export class Asker {
  readonly events: RoomEvent[] = [];
  readonly ended: Promise<RoomEvent[]>;
  readonly #child: ReturnType<typeof spawn>;
  readonly #watchers = new Set<() => void>();

  constructor(file: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    const child = spawn(file, args, { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.events.push(JSON.parse(line) as RoomEvent);
      for (const look of this.#watchers) look();
    });
    this.ended = new Promise((resolve) => child.once("close", () => resolve(this.events)));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves once it has said something that fits. */
  async says(fits: (event: RoomEvent) => boolean): Promise<void> {
    const said = new Promise<void>((resolve) => {
      const look = () => {
        if (!this.events.some(fits)) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
    await Promise.race([said, this.ended]);
  }
}
