import type { Catalog } from '../../api/catalog.ts';
import type { Resource } from '../../api/resource.ts';
import type { Spec } from '../../api/spec.ts';
import type { KubernetesObject } from '../../kubernetes/object.ts';
import type { Result } from '../../result.ts';
import { type GoodSpec, readObject } from './read-object.ts';

/** Objects read as resources, each version once, with the last good spec of each remembered. */
export type Reading = {
  read(object: KubernetesObject): Result<Resource, string>;
  forget(object: KubernetesObject): void;
};

export function createReading(catalog?: Catalog): Reading {
  const good = new Map<string, GoodSpec>();
  const known = new WeakMap<KubernetesObject, Result<Resource, string>>();
  return {
    read(object) {
      const before = known.get(object);
      if (before) return before;
      const { uid } = object.metadata;
      const read = readObject(object, good.get(uid), catalog);
      known.set(object, read);
      if (read.ok && read.value.spec && read.value.problems.length === 0)
        good.set(uid, goodSpec(read.value, read.value.spec));
      return read;
    },
    forget: ({ metadata }) => void good.delete(metadata.uid),
  };
}

function goodSpec({ uid, generation, specHash }: Resource, spec: Spec): GoodSpec {
  return { uid, generation, spec, ...(specHash !== undefined && { specHash }) };
}
