/** A model on disk. The same object as long as nothing in its directory changes. */
export interface CatalogueEntry {
  readonly id: string;
  /** Absolute directory. */
  readonly path: string;
  /** The place it was found in: what one disk is, as far as is known without asking it. */
  readonly root: string;
  /** All files of the directory together. */
  readonly sizeBytes: number;
  /** `model_type` of config.json. */
  readonly modelType: string | null;
  /** Tokens, as config.json says. */
  readonly contextLength: number | null;
  /** Changes when the model does; null when a file could not be read. */
  readonly digest: string | null;
}
