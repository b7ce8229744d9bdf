import assert from 'node:assert/strict';
import type { Bed } from '../slurm-bed/bed.ts';
import { queue } from './queue.ts';

/** Jobs that are nobody's business, made to be mistaken for ours; they run from before the first story to after the last. */
export type Bystanders = {
  /** Throws when one of them is not as it was. */
  assertUntouched(): Promise<void>;
};

const FOREIGN = 'vso1 uid=0b5e0000-0000-4000-8000-000000000000 gen=1 hash=0a1b2c nonce=n0 owner=another-operator';
const ENDLESS = [
  '--output=/dev/null',
  '--time=UNLIMITED',
  '--mem=100',
  '--nodelist=node001',
  '--wrap=exec sleep 86400',
];

const JOBS = [
  { as: 'another user', name: 'vllm.default.echo.r0.a1', comment: FOREIGN },
  { as: 'another user', name: 'vllm.default.echo.r1.a1', comment: '' },
  // Of one user a name is never shared with a job of ours: `singleton` would make ours wait for it.
  { as: 'us', name: 'vllm.default.echo.r0.a900', comment: '' },
  { as: 'us', name: 'vllm.default.echo.r1.a900', comment: FOREIGN },
  { as: 'us', name: 'vllm.default.gone.r0.a1', comment: `${FOREIGN}|phase=ready|node=node001|port=10000` },
  { as: 'us', name: 'vllm.default.x.r0.a1', comment: 'vso1' },
  { as: 'us', name: 'vllm.default.x.r0.a1.more', comment: FOREIGN },
  { as: 'us', name: 'vllm-default-echo', comment: FOREIGN },
] as const;

export async function placeBystanders(bed: Bed): Promise<Bystanders> {
  const ids: string[] = [];
  for (const { as, name, comment } of JOBS) {
    const submit = as === 'us' ? bed.run : bed.asUser;
    ids.push(
      await submit(
        'sbatch',
        '--parsable',
        ...ENDLESS,

        `--job-name=${name}`,
        `--comment=${comment}`,
      ),
    );
  }
  const look = async () =>
    (await queue(bed))
      .filter(({ id }) => ids.includes(id))
      .map(({ id, name, state, comment }) => ({ id, name, state, comment }));
  return {
    async assertUntouched() {
      const expected = JOBS.map(({ name, comment }, i) => ({ id: ids[i], name, state: 'RUNNING', comment }));
      assert.deepEqual(await look(), expected);
    },
  };
}
