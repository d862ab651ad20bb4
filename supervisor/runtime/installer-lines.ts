/** What a line of pip's or uv's output tells about how far it is. */
export type InstallerNews =
  | { readonly kind: "package"; readonly name: string }
  | { readonly kind: "step"; readonly step: string };

/** Reads one line of pip or uv; null when it tells nothing new. */
export function readInstallerLine(line: string): InstallerNews | null {
  // pip: "Collecting mlx==0.32.4". uv, for the larger ones only: "Downloading mlx-cpu (10.0MiB)".
  const name =
    /^Collecting ([\w.-]+)/.exec(line)?.[1] ?? /^Downloading ([\w.-]+ \([\d.]+\w+\))$/.exec(line)?.[1];
  if (name !== undefined) return { kind: "package", name };
  if (line.startsWith("Installing collected packages"))
    return { kind: "step", step: "unpacking the packages" };
  const prepared = /^Prepared (\d+) packages/.exec(line)?.[1];
  return prepared === undefined ? null : { kind: "step", step: `unpacking ${prepared} packages` };
}
