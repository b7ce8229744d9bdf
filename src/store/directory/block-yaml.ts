/** What JSON can hold, and `undefined` for a field that is not there. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Plain[]
  | { readonly [field: string]: Plain };

/**
 * A value as YAML in block style, one field a line. For the files we write ourselves: they need no comments, anchors or
 * folds, and a library that knows those takes ten times as long over a file that is written with every change of a status.
 * @returns text that any reader of YAML 1.2 reads back as the value; ends in a line break
 */
export function blockYaml(value: { readonly [field: string]: Plain }): string {
  return mappingLines(value, '').join('');
}

function mappingLines(value: { readonly [field: string]: Plain }, indent: string): readonly string[] {
  return Object.entries(value).flatMap(([field, part]) =>
    part === undefined ? [] : [`${indent}${scalar(field)}:`, ...behind(part, indent)],
  );
}

/** What stands behind `field:`, on the same line or below it. */
function behind(value: Plain, indent: string): readonly string[] {
  const deeper = `${indent}  `;
  if (isList(value))
    return value.length === 0 ? [' []\n'] : ['\n', ...value.flatMap((part) => itemLines(part, deeper))];
  if (isMapping(value)) {
    const lines = mappingLines(value, deeper);
    return lines.length === 0 ? [' {}\n'] : ['\n', ...lines];
  }
  return [` ${textOf(value, deeper)}\n`];
}

/** A list in a list, or an empty part of one, is written as JSON, which is YAML too. */
function itemLines(value: Plain, indent: string): readonly string[] {
  if (isList(value)) return [`${indent}- ${escaped(JSON.stringify(value))}\n`];
  if (!isMapping(value)) return [`${indent}- ${textOf(value, `${indent}  `)}\n`];
  const [first, ...rest] = mappingLines(value, `${indent}  `);
  return first === undefined ? [`${indent}- {}\n`] : [`${indent}- ${first.trimStart()}`, ...rest];
}

/** What people read line by line, such as the end of a log, stands there line by line. */
function textOf(value: string | number | boolean | null | undefined, indent: string): string {
  if (typeof value !== 'string' || !LINES.test(value)) return scalar(value);
  const start = /^[ \n]/.test(value) ? '2' : '';
  const end = /\n*$/.exec(value)?.[0].length ?? 0;
  const lines = (end === 0 ? value : value.slice(0, -1)).split('\n');
  return [`|${start}${['-', ''][end] ?? '+'}`, ...lines.map((line) => (line === '' ? '' : indent + line))].join('\n');
}
/** More than one line, something in them, and no sign that would be lost or taken for another. */
const LINES = /^(?=.*\n)(?=.*\S)[\t\n\u0020-\u007e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]+$/s;

function scalar(value: string | number | boolean | null | undefined): string {
  if (typeof value !== 'string') return JSON.stringify(value ?? null);
  return isPlain(value) ? value : escaped(JSON.stringify(value));
}

/** Words that mean themselves to every reader: no sign of YAML's in them, and nothing YAML 1.1 or 1.2 takes for another type. */
function isPlain(text: string): boolean {
  return (WORDS.test(text) && !RESERVED.test(text)) || TIME.test(text) || UUID.test(text);
}
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const WORDS = /^[A-Za-z_](?:[A-Za-z0-9_./@(),;+-]| (?! |$)|:(?! |$))*$/;
const RESERVED = /^(?:true|false|yes|no|on|off|y|n|null)$/i;

/** JSON leaves signs as they are that YAML wants escaped. */
function escaped(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);
const isMapping = (value: Plain): value is { readonly [field: string]: Plain } =>
  typeof value === 'object' && value !== null;
