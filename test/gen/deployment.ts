import type { SpecInput } from '../../src/api/spec.ts';

/** A raw spec that names only what the test is about: one replica, one GPU, the defaults. */
export function deployment(about: Partial<SpecInput> = {}): SpecInput {
  return { model: { uri: 'hf://org/model' }, ...about };
}
