import { type Key, keyText } from '../api/key.ts';
import { isNewer, type KubernetesObject, keyOfObject } from './object.ts';

/** Objects by name, moved forward only: an answer to our own write and the watch may tell the same in any order. */
export type ObjectCache = {
  get(key: Key): KubernetesObject | undefined;
  all(): readonly KubernetesObject[];
  /** An object as it was seen; passed over when a newer one is known, or when it is known to be gone. */
  put(object: KubernetesObject): void;
  /** An object known here as it came back from a write of ours; nobody is told of that. */
  wrote(object: KubernetesObject): void;
  /** A write of ours let it go; older news of it is passed over until the watch says so, too. */
  letGo(object: KubernetesObject): void;
  remove(object: KubernetesObject): void;
  /** A whole list of that version. */
  replace(objects: readonly KubernetesObject[], version: string): void;
};

export function createCache(
  changed: (before: KubernetesObject | undefined, after: KubernetesObject | undefined) => void,
): ObjectCache {
  const objects = new Map<string, KubernetesObject>();
  const released = new Set<string>();
  /** Of the newest list: what it lacks was gone by then, whatever a watch that lags behind it still tells. */
  let listedVersion = '';
  const nameOf = (object: KubernetesObject): string => keyText(keyOfObject(object));

  function put(object: KubernetesObject, isListed = false): void {
    if (released.has(object.metadata.uid)) return;
    const before = objects.get(nameOf(object));
    if (before && !isNewer(object.metadata.resourceVersion, before.metadata.resourceVersion)) return;
    if (!before && !isListed && !isNewer(object.metadata.resourceVersion, listedVersion)) return;
    objects.set(nameOf(object), object);
    changed(before, object);
  }

  function remove(object: KubernetesObject): void {
    released.delete(object.metadata.uid);
    const before = objects.get(nameOf(object));
    if (before?.metadata.uid !== object.metadata.uid) return;
    objects.delete(nameOf(object));
    changed(before, undefined);
  }

  return {
    get: (key) => objects.get(keyText(key)),
    all: () => [...objects.values()],
    put: (object) => put(object),
    wrote(object) {
      const before = objects.get(nameOf(object));
      if (before && isNewer(object.metadata.resourceVersion, before.metadata.resourceVersion))
        objects.set(nameOf(object), object);
    },
    letGo(object) {
      const { uid } = object.metadata;
      released.add(uid);
      if (objects.get(nameOf(object))?.metadata.uid === uid) objects.delete(nameOf(object));
    },
    remove,
    replace(listed, version) {
      const present = new Set(listed.map(({ metadata }) => metadata.uid));
      for (const uid of released) if (!present.has(uid)) released.delete(uid);
      for (const object of [...objects.values()]) {
        const { uid, resourceVersion } = object.metadata;
        if (!present.has(uid) && !isNewer(resourceVersion, version)) remove(object);
      }
      for (const object of listed) put(object, true);
      if (isNewer(version, listedVersion)) listedVersion = version;
    },
  };
}
