/** Words that mean themselves to a shell wherever they stand; they stay bare so that a script can be read. */
const PLAIN = /^[A-Za-z0-9_./:@%+,-][A-Za-z0-9_./:=@%+,-]*$/;

/**
 * One word of POSIX shell that is exactly `text`, whatever it holds.
 * A NUL byte fits in no shell word: the schema refuses it, so meeting one here is a bug.
 */
export function quote(text: string): string {
  if (text.includes('\0')) throw new Error('a NUL byte cannot stand in a shell script');
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `NAME=word`, or `NAME=(word word …)` for a list. The name is ours; only values are foreign text. */
export function assignment(name: string, value: string | readonly string[]): string {
  return typeof value === 'string' ? `${name}=${quote(value)}` : `${name}=(${value.map(quote).join(' ')})`;
}

/**
 * A value in an `#SBATCH` line. sbatch reads double quotes and backslashes there, and takes an unquoted `#` for the
 * start of a comment. Seen with 22.05: `--comment="a \"b\" \\ c # d"` arrives as `a "b" \ c # d`.
 * A line break would end the line: one here is a bug.
 */
export function quoteDirective(text: string): string {
  if (/\p{Cc}/u.test(text)) throw new Error('a control character cannot stand in an #SBATCH line');
  return /^[A-Za-z0-9_./:=@%+,&|()[\]*-]*$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
