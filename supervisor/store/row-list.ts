import { z } from "zod";

/** A list of rows; at the first that is none it is given up: a long list may be nothing but wrong ones. */
export function rowList<Row>(row: z.ZodType<Row>): z.ZodType<Row[]> {
  return z.array(z.unknown()).transform((rows, context) => {
    const checked: Row[] = [];
    for (const [index, one] of rows.entries()) {
      const outcome = row.safeParse(one);
      if (!outcome.success) {
        const { message = "not a row", path = [] } = outcome.error.issues[0] ?? {};
        context.addIssue({ code: "custom", message, path: [index, ...path] });
        return z.NEVER;
      }
      checked.push(outcome.data);
    }
    return checked;
  });
}
