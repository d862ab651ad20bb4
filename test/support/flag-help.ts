/** What people are told of one flag of a command of this repository. */
export interface FlagWords {
  /** What stands for its value; null: it takes none. */
  readonly value: string | null;
  readonly fallback?: string;
  readonly meaning: string;
}

type Flags = Readonly<Record<string, FlagWords>>;

/** A line for each flag, as `--help` shows them. */
export function flagLines(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, words]) => ({ flag: flagOf(name, words), ...words }));
  const width = Math.max(...rows.map(({ flag }) => flag.length));
  return rows
    .map(({ flag, meaning, fallback }) => {
      const unless = fallback === undefined ? "" : ` (default ${fallback})`;
      return `  ${flag.padEnd(width)}  ${meaning}${unless}`;
    })
    .join("\n");
}

/** The same as a table of a page. */
export function flagTable(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, words]) => {
    const fallback = words.fallback === undefined ? "" : `\`${words.fallback}\``;
    return `| \`${flagOf(name, words)}\` | ${fallback} | ${words.meaning} |`;
  });
  return ["| flag | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

function flagOf(name: string, { value }: FlagWords): string {
  return value === null ? `--${name}` : `--${name} ${value}`;
}
