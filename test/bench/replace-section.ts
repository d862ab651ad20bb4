/**
 * A page with the text between `<!-- name:begin -->` and `<!-- name:end -->` replaced.
 * @throws Error when the page has no such markers
 */
export function replaceSection(page: string, name: string, text: string): string {
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`Expected ${begin} … ${end} in the page; put them back`);
  return `${page.slice(0, from + begin.length)}\n${text.trim()}\n${page.slice(to)}`;
}
