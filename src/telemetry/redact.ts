/** Shapes that are a secret wherever they stand: Hugging Face, OpenAI-style and GitHub tokens, bearer headers, JWTs. */
const TOKENS =
  /\b(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)|(?<=\bBearer )[^\s"'\\]+/gi;

/** In a line of JSON: the value of a key that is named for a secret, at any depth. */
const NAMED = /("(?:[\w-]*(?:token|password|passwd|secret|api_?key|authorization|jwt))"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;

export const REDACTED = '[redacted]';

/**
 * @param text a line of JSON, or plain text; JSON stays JSON
 * @param secrets values known to be secret, taken out wherever they stand
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  const named = text.replace(NAMED, `$1"${REDACTED}"`).replace(TOKENS, REDACTED);
  return secrets.reduce((left, secret) => left.replaceAll(secret, REDACTED), named);
}
