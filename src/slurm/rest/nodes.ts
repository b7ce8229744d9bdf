import { z } from 'zod';
import { gpusOf } from '../gpus.ts';
import type { EquippedNode, NodeInfo } from '../slurm.ts';
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
  gres: Text,
  gres_used: Text,
});
type NodeRecord = z.output<typeof NodeRecord>;

const About = z.looseObject({ release: z.string() }).optional();
/** Of which version slurmrestd is, under `Slurm` in 22.05. For people: without it the nodes are as good. */
export const Release = z
  .looseObject({ slurm: About, Slurm: About })
  .transform(({ slurm, Slurm }) => (slurm ?? Slurm)?.release)
  .optional()
  .catch(undefined);

/** In sinfo's words: a drained node that still works is `draining`, one that does not is `drained`. */
export function readNode({ name, address, state, state_flags }: NodeRecord): NodeInfo {
  const words = [...state, ...state_flags].map((word) => word.toLowerCase());
  const [base = 'unknown'] = words;
  if (words.includes('invalid_reg')) return { name, address, state: 'inval' };
  const works = base === 'allocated' || base === 'mixed' || words.includes('completing');
  if (base !== 'down' && words.includes('drain')) return { name, address, state: works ? 'draining' : 'drained' };
  if (base !== 'down' && words.includes('fail')) return { name, address, state: works ? 'failing' : 'fail' };
  return { name, address, state: base };
}

export const readEquipped = (node: NodeRecord): EquippedNode => ({
  ...readNode(node),
  gpus: gpusOf(node.gres, node.gres_used),
});
