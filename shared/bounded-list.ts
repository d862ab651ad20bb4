import { z } from "zod";

/** Elements checked in a row. */
const SLICE = 100;

/**
 * An array whose check ends with the first slice that has wrong elements: zod makes an issue object of a kilobyte for
 * each of them, and a client needs to hear of the first alone. Longer lists than `max` are refused unseen.
 */
const BoundedList = z.core.$constructor(
  "BoundedList",
  (list: z.ZodArray, definition: z.core.$ZodArrayDef) => {
    z.ZodArray.init(list, definition as never);
    const parseAll = list._zod.parse;
    list._zod.parse = (payload, context) => {
      const input = payload.value as unknown;
      const { max } = definition as BoundedListDefinition;
      if (!Array.isArray(input) || input.length <= Math.min(SLICE, max)) return parseAll(payload, context);
      // The check of its length, which follows, says what is wrong.
      if (input.length > max) return payload;
      const checked: unknown[] = [];
      for (let start = 0; start < input.length; start += SLICE) {
        const slice = { value: input.slice(start, start + SLICE), issues: [] };
        parseAll(slice, context);
        payload.issues.push(...moveTo(start, slice.issues));
        if (payload.issues.length > 0) return payload;
        checked.push(...slice.value);
      }
      payload.value = checked;
      return payload;
    };
  },
);

interface BoundedListDefinition extends z.core.$ZodArrayDef {
  readonly max: number;
}

function moveTo(start: number, issues: readonly z.core.$ZodRawIssue[]): z.core.$ZodRawIssue[] {
  return issues.map((issue) => {
    const [index, ...rest] = issue.path ?? [];
    return { ...issue, path: [Number(index) + start, ...rest] };
  });
}

/** @param max elements at most */
export function boundedList<Item extends z.ZodType>(item: Item, max: number): z.ZodArray<Item> {
  const list = new BoundedList({ type: "array", element: item, max } as never) as unknown as z.ZodArray<Item>;
  return list.max(max);
}
