import { err, ok, type Result } from '../result.ts';
import type { FieldValue } from './finding.ts';

/** How the text of a setting is understood. */
export type Kind = keyof typeof KINDS;

type Reading = Result<FieldValue, string>;

/** Scripts know text alone, and so does what a shell made of a config file: everything is read from text. */
const KINDS = {
  text: (text) => (text === '' ? err('must not be empty') : ok(text)),
  integer: (text) => (/^-?\d{1,15}$/.test(text) ? ok(Number(text)) : err('must be a whole number')),
  number: (text) => (/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(text) ? ok(Number(text)) : err('must be a number')),
  switch: readSwitch,
  tokens: readTokens,
  memory: readMemory,
  words: (text) => ok(text.split(/[\s,]+/).filter((word) => word !== '')),
  /** One element however many names it holds: commas stand inside brackets too. */
  nodes: (text) => ok([text]),
  path: (text) => (text.startsWith('/') ? ok(text.replace(/(?<=.)\/+$/, '')) : err('must be an absolute path')),
  model: readModel,
} as const satisfies Readonly<Record<string, (text: string) => Reading>>;

/** @returns what is wrong, in words that follow on from the name of the setting */
export function readValue(kind: Kind, text: string): Reading {
  return KINDS[kind](text);
}

function readSwitch(text: string): Reading {
  if (/^(true|yes|on|1)$/i.test(text)) return ok(true);
  return /^(false|no|off|0)$/i.test(text) ? ok(false) : err('must be true or false');
}

/** As vLLM reads a length: `32k` is 32,000 and `32K` 32,768. Source: `human_readable_int` in vLLM. */
function readTokens(text: string): Reading {
  const match = /^(\d+(?:\.\d+)?)([kmgtKMGT]?)$/.exec(text);
  if (!match) return err('must be a whole number');
  const [, amount = '', unit = ''] = match;
  const step = unit === unit.toLowerCase() ? 1000 : 1024;
  const tokens = Number(amount) * step ** ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase());
  return Number.isSafeInteger(tokens) ? ok(tokens) : err('must be a whole number');
}

/** sbatch takes `64G`, `64g` and `64GB` for the same. */
function readMemory(text: string): Reading {
  const match = /^(\d+)([kmgt]?)b?$/i.exec(text);
  return match ? ok(`${match[1]}${match[2]?.toUpperCase()}`) : err('must be a number with K, M, G or T, such as 64G');
}

function readModel(text: string): Reading {
  if (text.startsWith('/')) return ok(`file://${text.replace(/(?<=.)\/+$/, '')}`);
  if (/^[\w.-]+\/[\w.-]+$/.test(text) && !text.startsWith('.')) return ok(`hf://${text}`);
  return err('must be ORG/REPO on the Hugging Face hub, or an absolute path');
}

/** What is known of the shell the scripts ran in. */
export type ShellVariables = Readonly<Record<string, string | undefined>>;

/**
 * `~`, `$USER` and `${USER}` filled in, as the scripts left that to a shell and a field of ours is taken as it stands.
 * @returns the name of a variable that is not known
 */
export function expand(text: string, variables: ShellVariables): Result<string, string> {
  let missing: string | undefined;
  const tilde = /^~(?=\/|$)/.test(text) ? `$HOME${text.slice(1)}` : text;
  const full = tilde.replace(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (whole, braced, bare) => {
    const value = variables[braced ?? bare];
    if (value === undefined) missing ??= whole;
    return value ?? whole;
  });
  return missing === undefined ? ok(full) : err(missing);
}
