/** What the file system says of a path; `fs.Stats` fits. */
export interface FileModes {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Whom the service runs as. */
export interface Account {
  readonly uid: number;
  readonly name: string;
  /** The group that only this account is in, as many Linux systems make one for each; null: there is none. */
  readonly privateGroup: number | null;
}

/** What a path is to the service. */
export interface PathUse {
  /** `entry`: it, or what is in it, is read. `parent`: it only leads there. */
  readonly as: "entry" | "parent";
  /** Nobody else may read it either. */
  readonly isSecret?: boolean;
  /** The directory that is mended with everything in it; absent: the path alone. */
  readonly tree?: string;
}

/** Somebody else can do to a path what only its user may. */
export interface Exposure {
  readonly path: string;
  readonly problem: string;
  /** Commands for a shell that end it. */
  readonly nextStep: string;
}

const STICKY = 0o1000;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const GROUP_READ = 0o040;
const OTHERS_READ = 0o004;
const ROOT = 0;

/**
 * Whether others can change what the service trusts, by the rules of ssh's StrictModes: it belongs to the account or to
 * root, and neither a group nor others may write it. A group with nobody else in it is nobody else.
 * @returns null when all is well
 */
export function exposureOf(
  path: string,
  file: FileModes,
  account: Account,
  use: PathUse = { as: "entry" },
): Exposure | null {
  const isForeign = file.uid !== ROOT && file.uid !== account.uid;
  const writers = mayWrite(file, account, use);
  const readers = use.isSecret === true ? mayRead(file, account) : null;
  const mode = `(mode ${(file.mode & 0o7777).toString(8).padStart(4, "0")})`;
  const problems = [
    ...(isForeign ? [`belongs to user ${file.uid}, who can change it`] : []),
    ...(writers === null ? [] : [`can be changed by ${writers} ${mode}`]),
    ...(readers === null ? [] : [`holds keys and can be read by ${readers} ${mode}`]),
  ];
  if (problems.length === 0) return null;
  const flag = use.tree === undefined ? "" : "-R ";
  const target = shellWord(use.tree ?? path);
  const become = account.uid === ROOT ? "" : "sudo ";
  const bits = use.isSecret === true ? "600" : "go-w";
  const commands = [
    ...(isForeign ? [`${become}chown ${flag}${shellWord(account.name)} ${target}`] : []),
    ...(writers === null && readers === null ? [] : [`chmod ${flag}${bits} ${target}`]),
  ];
  return { path, problem: `${path} ${problems.join(", and ")}`, nextStep: commands.join(" && ") };
}

function mayWrite({ mode, gid }: FileModes, account: Account, { as }: PathUse): string | null {
  // In a sticky directory, such as /tmp, nobody renames or removes what belongs to another.
  if (as === "parent" && (mode & STICKY) !== 0) return null;
  if ((mode & OTHERS_WRITE) !== 0) return "every user";
  return (mode & GROUP_WRITE) !== 0 && gid !== account.privateGroup ? `group ${gid}` : null;
}

function mayRead({ mode, gid }: FileModes, account: Account): string | null {
  if ((mode & OTHERS_READ) !== 0) return "every user";
  return (mode & GROUP_READ) !== 0 && gid !== account.privateGroup ? `group ${gid}` : null;
}

/** The text as one word of a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
