/** One fenced block of a page that shows commands and what they print, or a step the page only tells of. */
export type Part =
  | { readonly kind: "prose"; readonly text: string }
  /** What the reader is told happens, done by the test: `<!-- step: crash tiny/glm 3 -->`. */
  | { readonly kind: "step"; readonly text: string; readonly words: readonly string[] }
  | { readonly kind: "command"; readonly command: string; readonly output: string };

/** Cuts a page into its commands, each with its output, and everything else; `writePage` puts it together again. */
export function readPage(page: string): Part[] {
  const parts: Part[] = [];
  for (const piece of page.split(/(^```\n\$ [\s\S]*?\n```\n|^<!-- step: .* -->\n)/m)) {
    const step = /^<!-- step: (.*) -->\n$/.exec(piece);
    if (step?.[1] !== undefined) parts.push({ kind: "step", text: piece, words: step[1].split(" ") });
    else if (piece.startsWith("```\n$ ")) parts.push(...commandsOf(piece));
    else parts.push({ kind: "prose", text: piece });
  }
  return parts;
}

export function writePage(parts: readonly Part[]): string {
  let page = "";
  for (const [index, part] of parts.entries()) {
    if (part.kind !== "command") {
      page += part.text;
      continue;
    }
    const isFirst = parts[index - 1]?.kind !== "command";
    const isLast = parts[index + 1]?.kind !== "command";
    page += `${isFirst ? "```\n" : "\n"}$ ${part.command}\n${part.output}${isLast ? "```\n" : ""}`;
  }
  return page;
}

/** What differs from run to run and from machine to machine, by what it is. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\d{8}T\d{9}Z-[0-9a-f]{6}/g, "DOSSIER"],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?/g, "TIME"],
  [/\b\d+(?:\.\d+)? (?:B|[KMGT]iB|bytes)/g, "SIZE"],
  [/\b\d+(?:\.\d+)? ?(?:ms|s|m|h|d)\b(?: \d+[smh]\b)?/g, "DURATION"],
  [/\b[0-9a-f]{8,64}\b/g, "HASH"],
  [/\b\d{3,}\b/g, "NUMBER"],
  [/\b(?:linux|darwin)-\w+/g, "PLATFORM"],
  // A release is answered at once: how far its one try is by then is a matter of milliseconds.
  [/\b(?:admitted|loading) \(half_open\)/g, "STARTED (half_open)"],
  // Columns are as wide as what is in them.
  [/ {2,}/g, "  "],
  [/ +$/gm, ""],
];

/** The output with what varies replaced by what it is. */
export function shapeOf(output: string): string {
  return VARYING.reduce((text, [form, name]) => text.replace(form, name), output);
}

function commandsOf(block: string): Part[] {
  const inside = block.slice("```\n".length, -"```\n".length);
  return inside
    .split(/(?:^|\n)\$ /)
    .slice(1)
    .map((text) => {
      const [command = "", ...output] = text.split("\n");
      return {
        kind: "command",
        command,
        output: output.join("\n").replace(/\n*$/, "\n").replace(/^\n$/, ""),
      };
    });
}
