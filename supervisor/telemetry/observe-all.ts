import type { ClusterObserver } from "./observer.ts";

/** One observer that passes everything on, in this order. */
export function observeAll(...observers: readonly ClusterObserver[]): ClusterObserver {
  const tell = (say: (observer: ClusterObserver) => void) => observers.forEach(say);
  return {
    workerStarted: (model, restart) => tell((one) => one.workerStarted(model, restart)),
    workerExited: (model, cause) => tell((one) => one.workerExited(model, cause)),
    workerMemory: (model, memory) => tell((one) => one.workerMemory(model, memory)),
    loaded: (model, seconds) => tell((one) => one.loaded(model, seconds)),
    canaried: (model, seconds) => tell((one) => one.canaried(model, seconds)),
    requestArrived: (model) => {
      const requests = observers.map((one) => one.requestArrived(model));
      return {
        accepted: (promptTokens) => requests.forEach((one) => void one.accepted(promptTokens)),
        tokens: (count) => requests.forEach((one) => void one.tokens(count)),
        ended: (how) => requests.forEach((one) => void one.ended(how)),
      };
    },
  };
}
