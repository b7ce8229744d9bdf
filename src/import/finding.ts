/** Where something is said. `line` counts from 1. */
export type Place = { readonly file: string; readonly line: number };

/** One thing a source says: a key of a config file, an `#SBATCH` option, a flag of vLLM, an exported variable. */
export type Setting = { readonly key: string; readonly place: Place };

/** What a field can hold, as far as an import fills it. */
export type FieldValue = string | number | boolean | readonly string[];

/**
 * Who says it. `fallback` is a script's value for the case that nobody says another (`${PORT:-8000}`); `default` a
 * section of the config that is for every model.
 */
export type Authority = 'fallback' | 'default' | 'model' | 'script';

/** A setting that wants to be in a field: `spec.engine.maxNumSeqs`, `settings.logDirectory`. */
export type Claim = {
  readonly kind: 'claim';
  readonly setting: Setting;
  readonly field: string;
  readonly value: FieldValue;
  readonly authority: Authority;
  /** Made to be overridden: no contradiction when somebody does. */
  readonly yields?: true;
};

/** A setting that is carried nowhere, and why. Its value is never told: it may be a secret. */
export type Left = {
  readonly kind: 'left';
  readonly setting: Setting;
  readonly why: string;
  /** Its value is none a field of this kind can have: a mistake in a file of fields, while a script may mean anything. */
  readonly isWrong?: true;
};

/** What a person should look at. */
export type Warning = { readonly kind: 'warning'; readonly message: string; readonly places: readonly Place[] };

/** What keeps the import from being done at all. */
export type Problem = { readonly kind: 'problem'; readonly place: Place; readonly message: string };

/** What reading a source comes to: no setting is without one. */
export type Finding = Claim | Left | Warning | Problem;

export const left = (setting: Setting, why: string): Left => ({ kind: 'left', setting, why });

export const warning = (message: string, ...places: readonly Place[]): Warning => ({
  kind: 'warning',
  message,
  places,
});

export const problem = (place: Place, message: string): Problem => ({ kind: 'problem', place, message });

export const placeText = ({ file, line }: Place): string => `${file}:${line}`;

export const isClaim = (finding: Finding): finding is Claim => finding.kind === 'claim';
export const isLeft = (finding: Finding): finding is Left => finding.kind === 'left';
export const isWarning = (finding: Finding): finding is Warning => finding.kind === 'warning';
export const isProblem = (finding: Finding): finding is Problem => finding.kind === 'problem';
