import { type Files, type NewFile, realFiles } from "../../supervisor/store/files.ts";

/** An operation of `Files`, or of a file being written. */
export type FileOperation = keyof Files | "write" | "sync";

/** Real files, except that chosen operations fail, and that every operation is written down. */
export class FaultyFiles implements Files {
  readonly log: string[] = [];
  readonly #faults = new Map<FileOperation, { code: string; times: number }>();
  readonly #gates = new Map<FileOperation, Promise<void>>();

  /** The next calls of the operation fail with this error code. */
  fail(operation: FileOperation, code: string, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(operation, { code, times });
  }

  heal(): void {
    this.#faults.clear();
  }

  /** Calls of the operation wait until the returned function is called. */
  hold(operation: FileOperation): () => void {
    const gate = Promise.withResolvers<void>();
    this.#gates.set(operation, gate.promise);
    return gate.resolve;
  }

  size = (path: string) => this.#run("size", path, () => realFiles.size(path));
  read = (path: string, mostBytes: number) => this.#run("read", path, () => realFiles.read(path, mostBytes));
  list = (directory: string) => this.#run("list", directory, () => realFiles.list(directory));
  makeDirectory = (directory: string) =>
    this.#run("makeDirectory", directory, () => realFiles.makeDirectory(directory));
  duplicate = (from: string, to: string) => this.#run("duplicate", from, () => realFiles.duplicate(from, to));
  rename = (from: string, to: string) => this.#run("rename", to, () => realFiles.rename(from, to));
  remove = (path: string) => this.#run("remove", path, () => realFiles.remove(path));
  syncDirectory = (directory: string) =>
    this.#run("syncDirectory", directory, () => realFiles.syncDirectory(directory));
  create = (path: string) =>
    this.#run("create", path, async (): Promise<NewFile> => {
      const file = await realFiles.create(path);
      return {
        write: (bytes) => this.#run("write", path, () => file.write(bytes)),
        sync: () => this.#run("sync", path, () => file.sync()),
        close: () => file.close(),
      };
    });

  async #run<T>(operation: FileOperation, path: string, perform: () => Promise<T>): Promise<T> {
    this.log.push(`${operation} ${path}`);
    await this.#gates.get(operation);
    const fault = this.#faults.get(operation);
    if (fault !== undefined && fault.times > 0) {
      fault.times -= 1;
      throw Object.assign(new Error(`${fault.code}: injected into ${operation}`), { code: fault.code });
    }
    return await perform();
  }
}
