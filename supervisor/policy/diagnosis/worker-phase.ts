/** How far a worker had come. */
export type WorkerPhase = "starting" | "loading" | "canary" | "serving";
