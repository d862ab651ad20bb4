import type { JsonHandler } from "./json-scanner.ts";
import { DTYPES, type Dtype, type Tensor } from "./tensor.ts";

/** mlx has no arrays of more dimensions than fit here, and no length beyond 31 bits. */
const MAX_DIMENSIONS = 16;
const MAX_LENGTH = 2 ** 31 - 1;
/** Longest name of a tensor that is kept; real ones stay under 200. */
const MAX_NAME = 512;

/** Why a header cannot be right. */
export class HeaderError extends Error {}

interface Draft {
  readonly name: string;
  dtype: Dtype | null;
  shape: number[] | null;
  offsets: number[] | null;
}

/**
 * Collects the tensors of a safetensors header while its JSON goes by. As strict as mlx is: unknown keys of a tensor
 * are skipped, anything else that is out of place throws.
 */
export class HeaderReader implements JsonHandler {
  readonly tensors: Tensor[] = [];
  /** A tensor of a type mlx cannot load; the first one. */
  unreadable: { readonly tensor: string; readonly dtype: string } | null = null;
  readonly #file: string;
  readonly #limit: number;
  #depth = 0;
  #name = "";
  #field = "";
  #draft: Draft | null = null;

  /** @param limit tensors, beyond which `isFull` */
  constructor(file: string, limit: number) {
    this.#file = file;
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.tensors.length > this.#limit;
  }

  start(isObject: boolean): void {
    this.#depth += 1;
    if (this.#depth === 1 && !isObject) throw new HeaderError("the header is a list, not an object");
    if (this.#name === "__metadata__") {
      if (this.#depth > 2) throw new HeaderError("__metadata__ holds more than text");
      return;
    }
    if (this.#depth === 2) {
      if (!isObject) throw new HeaderError(`${quote(this.#name)} is a list, not an object`);
      this.#draft = { name: this.#name, dtype: null, shape: null, offsets: null };
    }
    if (this.#depth === 3 && this.#draft !== null) {
      if (this.#field === "shape") this.#draft.shape = isObject ? null : [];
      if (this.#field === "data_offsets") this.#draft.offsets = isObject ? null : [];
    }
  }

  end(): void {
    if (this.#depth === 2 && this.#draft !== null) {
      this.#finishTensor(this.#draft);
      this.#draft = null;
    }
    this.#depth -= 1;
    if (this.#depth === 1) this.#name = "";
    if (this.#depth === 2) this.#field = "";
  }

  key(text: () => string): void {
    if (this.#depth === 1) {
      this.#name = text();
      if (this.#name.length > MAX_NAME) throw new HeaderError(`a name of ${this.#name.length} characters`);
    } else if (this.#depth === 2) this.#field = text();
  }

  string(text: () => string): void {
    this.#scalar(true);
    if (this.#depth !== 2 || this.#draft === null || this.#field !== "dtype") return;
    const name = text().slice(0, 40);
    const dtype = DTYPES.get(name);
    if (dtype === undefined)
      throw new HeaderError(`${quote(this.#name)} has the unknown type ${quote(name)}`);
    if (!dtype.isReadable) this.unreadable ??= { tensor: this.#name, dtype: name };
    this.#draft.dtype = dtype;
  }

  number(value: number): void {
    this.#scalar(false);
    if (this.#depth !== 3 || this.#draft === null) return;
    const list =
      this.#field === "shape"
        ? this.#draft.shape
        : this.#field === "data_offsets"
          ? this.#draft.offsets
          : null;
    if (list === null) return;
    if (!Number.isSafeInteger(value) || value < 0)
      throw new HeaderError(`${quote(this.#name)} has ${value} in its ${this.#field}`);
    list.push(value);
    if (list.length > MAX_DIMENSIONS)
      throw new HeaderError(`${quote(this.#name)} has too long a ${this.#field}`);
  }

  literal(value: boolean | null): void {
    const isNoMetadata = value === null && this.#depth === 1 && this.#name === "__metadata__";
    if (!isNoMetadata) this.#scalar(false);
  }

  #scalar(isText: boolean): void {
    if (this.#depth === 0) throw new HeaderError("the header is not an object");
    if (this.#name === "__metadata__") {
      if (!isText) throw new HeaderError("__metadata__ holds more than text");
    } else if (this.#depth === 1) throw new HeaderError(`${quote(this.#name)} is not an object`);
    else if (this.#depth === 3 && this.#draft !== null && isText && isList(this.#field))
      throw new HeaderError(`${quote(this.#name)} has text in its ${this.#field}`);
  }

  #finishTensor({ name, dtype, shape, offsets }: Draft): void {
    if (dtype === null || shape === null || offsets === null)
      throw new HeaderError(`${quote(name)} lacks its type, shape or data_offsets`);
    const [begin, end] = offsets;
    if (offsets.length !== 2 || begin === undefined || end === undefined || end < begin)
      throw new HeaderError(`${quote(name)} has data_offsets [${offsets.join(", ")}]`);
    if (shape.some((length) => length > MAX_LENGTH))
      throw new HeaderError(`${quote(name)} has the shape [${shape.join(", ")}]`);
    // A copy, because an array that grew by pushing keeps room for more: a hundred bytes for every tensor.
    this.tensors.push({ name, file: this.#file, dtype, shape: shape.slice(), begin, end });
  }
}

function isList(field: string): boolean {
  return field === "shape" || field === "data_offsets";
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}
