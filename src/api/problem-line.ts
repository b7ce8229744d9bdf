import type { SpecProblem } from './resource.ts';

/** `qwen.yaml:7: spec.replicas: must be …`, without what is not known: a problem may be of the whole file. */
export function problemLine({ file, line, field, message }: SpecProblem): string {
  const place = file === undefined || line === undefined ? file : `${file}:${line}`;
  return [place, field, message].filter((part) => part !== undefined && part !== '').join(': ');
}
