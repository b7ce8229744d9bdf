import type { Finding, Setting } from './finding.ts';
import type { ShellVariables } from './values.ts';

export const FORMATS = ['launch-scripts', 'job-script', 'vec-inf'] as const;
export type Format = (typeof FORMATS)[number];

/** One model of a source. */
export type ModelReading = {
  /** Where it begins. */
  readonly setting: Setting;
  /** What the source calls it; the deployment is named for it. */
  readonly name: string;
  readonly findings: readonly Finding[];
};

/** What a source says, nothing decided yet. */
export type Reading = {
  readonly format: Format;
  /** For every model, or for the operator. */
  readonly shared: readonly Finding[];
  readonly models: readonly ModelReading[];
  /** Which model is to run, where the source says so. */
  readonly active?: { readonly setting: Setting; readonly name: string };
};

/** What is known around a source. */
export type Surroundings = {
  /** As told to people. */
  readonly file: string;
  /** Absolute: relative paths of the source count from it. */
  readonly directory: string;
  readonly shell: ShellVariables;
  /** Text of the job scripts that are at hand, by the name the source gives them. */
  readonly scripts: ReadonlyMap<string, { readonly file: string; readonly text: string }>;
};
