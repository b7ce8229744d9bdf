/** What secrets look like, in text or in JSON; the words before them stay, so that a person sees what it was about. */
const SHAPES: readonly RegExp[] = [
  /("[\w-]*(?:token|password|passwd|secret|api_?key|authorization|jwt)"\s*:\s*")(?!\[redacted\])(?:[^"\\]|\\.)+(?=")/gi,
  /((?:api[_-]?key|(?:hf|hub|api|auth|access|refresh)[_-]?token|secret|passw(?:or)?d)["']?\s*[:= ]\s*["']?)(?!(?:None|null|true|false|\*+|\[redacted)\b)[^\s"',;)}\]]{6,}/gi,
  /\b(hf_)[A-Za-z0-9]{8,}/g,
  /\b(sk-)[A-Za-z0-9_-]{8,}/g,
  /\b(gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{8,}/g,
  /\b(AKIA)[A-Z0-9]{12,}/g,
  /\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/gi,
  /\b()eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
  /(:\/\/[^\s/:@"]*:)[^\s/@"]+(?=@)/g,
];

const REDACTED = '[redacted]';

/**
 * @param text free text, or a line of JSON, which stays JSON
 * @param secrets values known to be secret, taken out wherever they stand, as they are or as JSON writes them
 */
export function redact(text: string, secrets: Iterable<string> = []): string {
  // The longer first: one may be the beginning of another.
  const known = [...secrets].sort((a, b) => b.length - a.length).flatMap((secret) => [secret, inJson(secret)]);
  const bare = known.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
  return SHAPES.reduce((left, shape) => left.replace(shape, `$1${REDACTED}`), bare);
}

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
