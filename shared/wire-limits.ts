/**
 * How much either side of the worker protocol may say in one line or one member. What is beyond is refused: nothing
 * that a worker writes is held, copied to a log or sent to a client without a bound.
 */

/** A worker's line may not be longer: over it the worker is ended. Bytes. */
export const MAX_WORKER_LINE_BYTES = 8 * 1024 * 1024;
/** A request to the worker may not be longer: over it the client gets 413 and nothing is written. Bytes. */
export const MAX_REQUEST_LINE_BYTES = 32 * 1024 * 1024;

/**
 * A worker's line may not become more than this when it is parsed. The richest honest line is one step with 256 tokens
 * and 20 alternatives for each: about 50,000 values, or 700,000 where every token is a run of 128 blanks, whose bytes
 * are listed. The longest honest text is 8 MiB of two bytes a character.
 */
export const MAX_WORKER_LINE_VALUES = 1_000_000;
export const MAX_WORKER_LINE_HEAP_BYTES = 32 * 1024 * 1024;
/** The bytes of a token that could have stood there are eleven levels deep. */
export const MAX_WORKER_LINE_DEPTH = 16;

/** Words of a fixed vocabulary: an error's code, a device, a role. Characters. */
export const MAX_WORD_CHARACTERS = 64;
/** `3.14.0rc2+local`: a version is shown in lists, and is part of a model's key. Characters. */
export const MAX_VERSION_CHARACTERS = 64;
/** Names of classes, architectures, parsers: the longest file name a system takes. Characters. */
export const MAX_NAME_CHARACTERS = 255;
/** A path, and an id of a model, which is a part of one: Linux takes 4,096 bytes. Characters. */
export const MAX_PATH_CHARACTERS = 4_096;
/**
 * Names of functions: clients name them, and answers repeat the name. The worker refuses longer ones in a request. OpenAI
 * takes 64. Characters.
 */
export const MAX_TOOL_NAME_CHARACTERS = 1_024;
/** A model may write the ids of its calls itself; the worker replaces a longer one. Characters. */
export const MAX_CALL_ID_CHARACTERS = 512;
/** What went wrong, for a client to read. The worker cuts it itself, to half of it. Characters. */
export const MAX_ERROR_CHARACTERS = 2_048;
/** What 64 tokens say. Characters. */
export const MAX_CANARY_CHARACTERS = 64 * 1024;
/** A token of a vocabulary; the longest of well-known ones have 256. Characters, and bytes. */
export const MAX_TOKEN_CHARACTERS = 4_096;
export const MAX_TOKEN_BYTES = 4 * MAX_TOKEN_CHARACTERS;

/** Turns, functions and calls of one request; what they hold is bounded by the request's line. */
export const MAX_REQUEST_LIST = 100_000;
/** Members of an object that a client names. */
export const MAX_REQUEST_MEMBERS = 10_000;
/** Ids of one prompt: the longest contexts of models have ten million. */
export const MAX_PROMPT_TOKENS = 16 * 1024 * 1024;
/** Rows of a step: `max_concurrency` is at most 1,024, and a row whose events were split comes more than once. */
export const MAX_STEP_ROWS = 2_048;
/** One row's share of a step: its ids, events, and tokens with a log probability. An honest one has 1, 256 and 256. */
export const MAX_ROW_TOKENS = 4_096;
export const MAX_ROW_EVENTS = 4_096;
export const MAX_EVENT_LOGPROBS = 4_096;
export const MAX_ALTERNATIVES = 20;
/** Kinds of caches in one model, each with its windows. */
export const MAX_CACHE_KINDS = 256;
/** Ids that end an answer; Llama 3 has three. */
export const MAX_END_TOKENS = 1_024;
export const MAX_CANARY_TOKENS = 64;

/** No machine has more memory, and no sum of a thousand such numbers leaves the safe integers. Bytes. */
export const MAX_MEMORY_BYTES = 2 ** 43;
/** Ids of a vocabulary, layers, tokens of an answer: larger ones are no number of these. */
export const MAX_COUNT = 2 ** 31 - 1;
/** What one worker may say that anything took. Seconds. */
export const MAX_SECONDS = 7 * 24 * 3600;
/** A logit is a 32-bit number. */
export const MAX_LOGPROB = 3.5e38;
