import { z } from 'zod';
import type { NodeInfo } from '../slurm.ts';
import { Text, Words } from './json.ts';

export const NodeRecord = z.looseObject({
  name: Text,
  address: Text,
  state: Words,
  /** 22.05 gives flags apart, later versions behind the state. */
  state_flags: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? []),
});

/** In sinfo's words: a drained node that still works is `draining`, one that does not is `drained`. */
export function readNode({ name, address, state, state_flags }: z.output<typeof NodeRecord>): NodeInfo {
  const words = [...state, ...state_flags].map((word) => word.toLowerCase());
  const [base = 'unknown'] = words;
  const works = base === 'allocated' || base === 'mixed' || words.includes('completing');
  if (base !== 'down' && words.includes('drain')) return { name, address, state: works ? 'draining' : 'drained' };
  return { name, address, state: base };
}
