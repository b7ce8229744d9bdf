import type { Spec } from '../api/spec.ts';

type Runtime = Spec['runtime'];

/** Whether the engine runs in a container, and with it whatever it sees of the nodes. */
export function runsInImage({ type }: Pick<Runtime, 'type'>): boolean {
  return type === 'apptainer' || type === 'pyxis';
}

/** What stands before the name of an image that has to be fetched; undefined for a path of the nodes. */
export function registryOf(image: string): string | undefined {
  return /^[a-z]+:\/\//.exec(image)?.[0];
}

/** The image in the words of what runs it. Enroot parts registry and name by `#`: its own host names have a dot or a port. */
export function imageArgument({ type, image = '' }: Pick<Runtime, 'type' | 'image'>): string {
  if (type !== 'pyxis' || registryOf(image) === undefined) return image;
  const name = image.slice('docker://'.length);
  const [first = '', ...rest] = name.split('/');
  const isHost = rest.length > 0 && /[.:]|^localhost$/.test(first);
  return isHost ? `${first}#${rest.join('/')}` : name;
}
