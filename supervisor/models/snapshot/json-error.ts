/** A text that is not the JSON its reader accepts; the message names the byte. */
export class JsonError extends Error {
  constructor(message: string, byte: number) {
    super(`${message} at byte ${byte}`);
    this.name = "JsonError";
  }
}
