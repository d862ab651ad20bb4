/** Exit codes of every command, the ones of sysexits.h; `lmx --help` prints this table. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: "done" },
  failed: { code: 1, meaning: "the supervisor says no, or a check of doctor failed" },
  usage: { code: 64, meaning: "the command line is wrong" },
  noModel: { code: 66, meaning: "no such model" },
  unavailable: { code: 69, meaning: "no supervisor answers, or something it needs is missing" },
  software: { code: 70, meaning: "a bug" },
  temporary: { code: 75, meaning: "not now: in use, loading or draining; try again later" },
  protocol: { code: 76, meaning: "what answered is not an Opta-LMX of this version" },
  permission: { code: 77, meaning: "the admin key is missing or wrong" },
  config: { code: 78, meaning: "the configuration is wrong" },
} as const;
