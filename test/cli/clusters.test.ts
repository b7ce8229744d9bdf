import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

/** Programs of SLURM's that answer as `squeue` and `sinfo` would: one running job, one of three nodes drained. */
const SQUEUE = `#!/bin/sh
for word; do case $word in --format=*) format=\${word#--format=};; esac; done
echo "$format" | sed 's/%A/61/;s/%T/RUNNING/;s/%V/1795499346/;s/%S/1795499347/;s/%e/NONE/;s/%P/gpu/;s/%u/op/;s/%N/n1/;s/%r/None/;s/%j/vllm.a.b.r0.a1/;s/%k/(null)/'
`;
const SINFO = '#!/bin/sh\nprintf "n1=idle=10.0.0.1\\nn2=mixed=10.0.0.2\\nn3=drained=10.0.0.3\\n"\n';

/** The workspace says `local`. */
const UNSAID = { VLLM_SLURM_CLUSTER_TYPE: undefined };

function programs(home: string, name: string, squeue: string): string {
  const directory = path.join(home, name);
  mkdirSync(directory);
  for (const [program, text] of Object.entries({ squeue, sinfo: SINFO })) {
    writeFileSync(path.join(directory, program), text);
    chmodSync(path.join(directory, program), 0o755);
  }
  return directory;
}

test('each cluster says whether it answers; one that is silent hides none of the others', async () => {
  await using here = workspace();
  const alps = programs(here.home, 'alps', SQUEUE);
  const jura = programs(
    here.home,
    'jura',
    '#!/bin/sh\necho "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2\nexit 1\n',
  );
  const file = path.join(here.home, 'operator.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      clusters: [
        { name: 'alps', type: 'slurm', binDirectory: alps },
        { name: 'jura', type: 'slurm', binDirectory: jura },
        { name: 'here', type: 'local' },
      ],
    }),
  );
  const { code, stdout } = await here.runWith(UNSAID, 'clusters', '--config', file);
  const rows = stdout.split('\n').map((line) => line.split(/ {3,}/));
  assert.equal(code, 1);
  assert.deepEqual(rows[0], [
    ...['NAME', 'TYPE', 'ANSWERS', 'NODES', 'RUNNING', 'PENDING', 'LISTING', 'TOKEN-ENDS', 'WHY'],
  ]);
  assert.deepEqual(rows[1]?.toSpliced(6, 1), ['alps', 'slurm', 'yes', '2/3', '1', '0', '-']);
  assert.match(rows[1]?.[6] ?? '', /^\d+\.\d\d s, 0\.1 kB$/);
  assert.deepEqual(rows[2]?.slice(0, 3), ['jura', 'slurm', 'no']);
  assert.match(rows[2]?.at(-1) ?? '', /Unable to contact slurm controller \(connect failure\)/);
  assert.deepEqual(
    [rows[3]?.slice(0, 3), rows[3]?.at(-1)],
    [['here', 'local', 'yes'], 'its jobs are known to its operator only'],
  );

  const json = JSON.parse(
    (await here.runWith(UNSAID, 'clusters', '--json', '--config', file)).stdout,
  ) as readonly object[];
  const [first] = json as readonly { readonly nodes: object; readonly jobs: object }[];
  assert.deepEqual([json.length, first?.nodes, first?.jobs], [3, { total: 3, usable: 2 }, { pending: 0, running: 1 }]);
});

test('the one cluster there is goes by its type', async () => {
  await using here = workspace();
  const binDirectory = programs(here.home, 'bin', SQUEUE);
  const { code, stdout } = await here.runWith(UNSAID, 'clusters', '--set', `cluster.binDirectory=${binDirectory}`);
  assert.equal(code, 0);
  assert.match(stdout.split('\n')[1] ?? '', /^slurm +slurm +yes +2\/3 +1 +0 /);
});
