/** A text that is not the JSON its reader accepts; the message names the byte. */
export class JsonError extends Error {
  constructor(message: string, byte: number) {
    super(`${message} at byte ${byte}`);
    this.name = "JsonError";
  }
}

/** JSON that would become more than its reader is made for. */
export class JsonTooLargeError extends Error {
  constructor(what: string) {
    super(`more than ${what}, which no model needs`);
    this.name = "JsonTooLargeError";
  }
}
