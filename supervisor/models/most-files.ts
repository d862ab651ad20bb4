/** Names in a model's directory; published models have some hundred files, a directory of more is something else. */
export const MOST_FILES = 5_000;
