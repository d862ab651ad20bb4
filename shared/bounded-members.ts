import { MAX_REQUEST_MEMBERS } from "./wire-limits.ts";

/** For `refine`: an object that a client names the members of. */
export const hasFewMembers = (members: object) => Object.keys(members).length <= MAX_REQUEST_MEMBERS;
export const tooManyMembers = { error: `expected at most ${MAX_REQUEST_MEMBERS} members` };
