/** One thing a check has to say. */
export type Finding = {
  /** `error`: a model will not start. `warning`: it may not, or not always. */
  readonly level: 'error' | 'warning';
  /** What is. */
  readonly found: string;
  /** What that leads to. */
  readonly means: string;
  /** What to do about it. */
  readonly advice: string;
};

export const error = (found: string, means: string, advice: string): Finding => ({
  level: 'error',
  found,
  means,
  advice,
});
export const warning = (found: string, means: string, advice: string): Finding => ({
  level: 'warning',
  found,
  means,
  advice,
});
