import type { GenerationEvent } from "../../../../shared/generation.ts";

/** For `parallel_tool_calls: false`: passes events on up to the first call and then only the end. Null is to be dropped. */
export function untilFirstToolCall(): (event: GenerationEvent) => GenerationEvent | null {
  let called = false;
  return (event) => {
    // A second call that was cut off does not make the first one incomplete.
    if (event.type === "finish") return called ? { ...event, reason: "tool_calls" } : event;
    if (called) return null;
    called = event.type === "tool_call";
    return event;
  };
}
