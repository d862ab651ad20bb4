import type { Edit, Guard } from "../chaos/guards.ts";
import type { AbuseId } from "./matrix.ts";

const BODY = "supervisor/http/body";
const REGULAR_FILE = "supervisor/host/regular-file.ts";

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

/** Bodies that come too slowly end. */
const paced: Edit = {
  file: `${BODY}/upload-pace.ts`,
  remove: "    onTooSlow(tooSlow(came, expected, windowMs));\n",
  put: "",
};
/** A client without a row gets one of those of a client with many. */
const turns: Edit = {
  file: "worker/lmx_worker/scheduling/schedule_policy.py",
  remove: "            return interrupted\n",
  put: "            return ()\n",
};
/** Refusals alike are counted. */
const summedUp: Edit = {
  file: "supervisor/http/refusal-log.ts",
  remove: "      known.more += 1;\n      return;\n",
  put: "      known.more += 0;\n",
};

/** What protects each row; `npm run guards` takes each out and sees the row fail. */
export const ABUSE_GUARDS: Readonly<Record<AbuseId, Guard>> = {
  B1: { ...measured, also: [boundedList] },
  B2: { ...measured, also: [boundedList] },
  B3: { ...measured, also: [boundedList] },
  B4: measured,
  B5: { ...measured, also: [boundedList] },
  B6: measured,
  B7: measured,
  B8: measured,
  B9: { file: `${BODY}/parse-json.ts`, remove: "{ fatal: true }", put: "{ fatal: false }" },
  B10: declaredLength,
  B11: { ...declaredLength, also: [measured] },
  B12: { file: `${BODY}/decode-pool.ts`, remove: "const MAX_THREADS = 2;", put: "const MAX_THREADS = 64;" },
  B13: measured,
  T1: {
    file: "worker/lmx_worker/scheduling/scheduler.py",
    remove: "        check_size(prompt, codec.longest_token_bytes, self._model.facts)\n",
    put: "",
  },
  K1: {
    file: "shared/worker-protocol.ts",
    remove: "name: z.string().max(MAX_TOOL_NAME_CHARACTERS)",
    put: "name: z.string()",
  },
  K2: {
    file: "supervisor/rpc/line-measure.ts",
    remove: 'return this.#isTooRich(this.#meter) ? "line-too-rich" : null;',
    put: "return null;",
  },
  F1: {
    file: "supervisor/models/snapshot/json-tree.ts",
    remove: "if (this.#values > MOST_VALUES) throw",
    put: "if (false) throw",
  },
  F2: {
    file: "supervisor/models/snapshot/list-directory.ts",
    remove: "if (facts.isFile()) return",
    put: "if (true) return",
    also: [
      { file: REGULAR_FILE, remove: "  if (!facts.isFile()) throw", put: "  if (false) throw" },
      {
        file: REGULAR_FILE,
        remove: "const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;",
        put: "const READ_FLAGS = constants.O_RDONLY;",
      },
    ],
  },
  C1: paced,
  C2: paced,
  C3: turns,
  C4: {
    file: "supervisor/policy/requests/connection-limit.ts",
    remove: 'if (open < limit) return { kind: "accept" };',
    put: 'if (open >= 0) return { kind: "accept" };',
  },
  L1: summedUp,
  L2: summedUp,
  L3: {
    file: "supervisor/http/server/listen.ts",
    remove: '  server.on("clientError", (error, socket) => answerBadHttp(error, socket, onBadHttp));\n',
    put: "",
  },
  U1: turns,
};
