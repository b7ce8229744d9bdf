/** The text, or its beginning and a sign that there was more: at most `chars` UTF-16 units, no character halved. */
export function cut(text: string, chars: number): string {
  if (text.length <= chars) return text;
  return `${text.slice(0, chars - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
