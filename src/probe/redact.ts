/** What secrets look like in an engine's log; the words before them stay, so that a person sees what it was about. */
const SECRETS: readonly RegExp[] = [
  /((?:api[_-]?key|(?:hf|hub|api|auth|access|refresh)[_-]?token|secret|passw(?:or)?d)["']?\s*[:= ]\s*["']?)(?!(?:None|null|true|false|\*+)\b)[^\s"',;)}\]]{6,}/gi,
  /\b(hf_)[A-Za-z0-9]{8,}/g,
  /\b(sk-)[A-Za-z0-9_-]{8,}/g,
  /\b(gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{8,}/g,
  /\b(AKIA)[A-Z0-9]{12,}/g,
  /\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/gi,
  /\b()eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
  /(:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g,
];

/** Free text without what looks like a secret. */
export function redact(text: string): string {
  return SECRETS.reduce((left, secret) => left.replace(secret, '$1[redacted]'), text);
}
