import type { Spec } from '../api/spec.ts';

/** Whether the engine runs in a container, and with it whatever it sees of the nodes. */
export function runsInImage({ type }: Pick<Spec['runtime'], 'type'>): boolean {
  return type === 'apptainer';
}

/** What stands before the name of an image that has to be fetched; undefined for a path of the nodes. */
export function registryOf(image: string): string | undefined {
  return /^[a-z]+:\/\//.exec(image)?.[0];
}
