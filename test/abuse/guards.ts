import type { Edit, Guard } from "../chaos/guards.ts";
import type { AbuseId } from "./matrix.ts";

const BODY = "supervisor/http/body";

/** Bodies are measured while they arrive. */
const measured: Edit = { file: `${BODY}/read-body.ts`, remove: "    meter.feed(piece);\n", put: "" };
/** Lists that are too long are not looked into. */
const boundedList: Edit = {
  file: "shared/bounded-list.ts",
  remove: "      if (input.length > max) return payload;\n",
  put: "",
};
const declaredLength: Edit = {
  file: `${BODY}/read-body.ts`,
  remove: '  checkDeclaredLength(Number(request.headers.get("content-length") ?? 0), limits);\n',
  put: "",
};

/** What protects each row; `npm run guards` takes each out and sees the row fail. */
export const ABUSE_GUARDS: Readonly<Record<AbuseId, Guard>> = {
  B1: { ...measured, also: boundedList },
  B2: { ...measured, also: boundedList },
  B3: { ...measured, also: boundedList },
  B4: measured,
  B5: { ...measured, also: boundedList },
  B6: measured,
  B7: measured,
  B8: measured,
  B9: { file: `${BODY}/parse-json.ts`, remove: "{ fatal: true }", put: "{ fatal: false }" },
  B10: declaredLength,
  B11: { ...declaredLength, also: measured },
  B12: { file: `${BODY}/body-decoder.ts`, remove: "const MAX_THREADS = 2;", put: "const MAX_THREADS = 64;" },
  B13: measured,
};
