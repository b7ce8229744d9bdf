import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

/** Programs of SLURM's that answer as the real ones would: one running job, one of three nodes drained. */
const SQUEUE = `#!/bin/sh
for word; do case $word in --format=*) format=\${word#--format=};; esac; done
echo "$format" | sed 's/%A/61/;s/%T/RUNNING/;s/%V/1795499346/;s/%S/1795499347/;s/%e/NONE/;s/%P/gpu/;s/%u/op/;s/%N/n1/;s/%r/None/;s/%j/vllm.a.b.r0.a1/;s/%k/(null)/'
`;
const SINFO = `#!/bin/sh
cat <<'END'
n1=idle=10.0.0.1=gpu:a100:2(S:0)=gpu:a100:0(IDX:N/A)
n2=mixed=10.0.0.2=gpu:h100:4(S:0-1)=gpu:h100:1(IDX:2)
n3=drained=10.0.0.3=gpu:h100:4(S:0-1)=gpu:h100:0(IDX:N/A)
END
`;
const SCONTROL = `#!/bin/sh
[ "$*" = 'show config' ] || exit 1
echo 'Configuration data as of 1795466149'
echo 'SLURM_VERSION           = 24.11.5'
`;

/** The workspace says `local`. */
const UNSAID = { VLLM_SLURM_CLUSTER_TYPE: undefined };

function programs(home: string, name: string, squeue: string, sinfo = SINFO): string {
  const directory = path.join(home, name);
  mkdirSync(directory);
  for (const [program, text] of Object.entries({ squeue, sinfo, scontrol: SCONTROL })) {
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
  const lone = programs(here.home, 'lone', SQUEUE, "#!/bin/sh\necho 'n1=idle=10.0.0.1=(null)=(null)'\n");
  const deaf = programs(
    here.home,
    'deaf',
    SQUEUE,
    '#!/bin/sh\necho "this key does not allow the command" >&2\nexit 1\n',
  );
  const file = path.join(here.home, 'operator.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      clusters: [
        { name: 'alps', type: 'slurm', binDirectory: alps },
        { name: 'jura', type: 'slurm', binDirectory: jura },
        { name: 'here', type: 'local' },
        { name: 'lone', type: 'slurm', binDirectory: lone },
        { name: 'deaf', type: 'slurm', binDirectory: deaf },
      ],
    }),
  );
  const { code, stdout } = await here.runWith(UNSAID, 'clusters', '--config', file);
  const rows = stdout.split('\n').map((line) => line.split(/ {3,}/));
  assert.equal(code, 1);
  assert.deepEqual(rows[0], [
    ...['NAME', 'TYPE', 'ANSWERS', 'VERSION', 'NODES', 'GPUS', 'RUNNING', 'PENDING', 'LISTING', 'TOKEN-ENDS', 'WHY'],
  ]);
  assert.deepEqual(rows[1]?.toSpliced(8, 1), [
    ...['alps', 'slurm', 'yes', '24.11.5', '2/3', 'h100 3/8, a100 2/2', '1', '0', '-'],
  ]);
  assert.match(rows[1]?.[8] ?? '', /^\d+\.\d\d s, 0\.1 kB$/);
  assert.deepEqual(rows[2]?.slice(0, 3), ['jura', 'slurm', 'no']);
  assert.match(rows[2]?.at(-1) ?? '', /Unable to contact slurm controller \(connect failure\)/);
  assert.deepEqual(
    [rows[3]?.slice(0, 3), rows[3]?.at(-1)],
    [['here', 'local', 'yes'], 'its jobs are known to its operator only'],
  );

  assert.deepEqual(rows[4]?.slice(0, 8), ['lone', 'slurm', 'yes', '24.11.5', '1/1', 'none', '1', '0']);
  assert.deepEqual(
    [rows[5]?.slice(0, 8), rows[5]?.at(-1)],
    [['deaf', 'slurm', 'yes', '-', '-', '-', '1', '0'], 'this key does not allow the command'],
  );

  const json = JSON.parse(
    (await here.runWith(UNSAID, 'clusters', '--json', '--config', file)).stdout,
  ) as readonly Readonly<Record<string, unknown>>[];
  const { listing, ...alpsSays } = json[0] ?? {};
  assert.deepEqual(Object.keys(listing ?? {}), ['seconds', 'bytes']);
  assert.deepEqual(alpsSays, {
    name: 'alps',
    type: 'slurm',
    answers: true,
    version: '24.11.5',
    nodes: { total: 3, usable: 2 },
    gpus: [
      { type: 'h100', total: 8, usable: 4, free: 3 },
      { type: 'a100', total: 2, usable: 2, free: 2 },
    ],
    jobs: { pending: 0, running: 1 },
  });
  assert.deepEqual(
    json.map(({ name, gpus }) => [name, Array.isArray(gpus) ? gpus.length : gpus]),
    [
      ['alps', 2],
      ['jura', undefined],
      ['here', undefined],
      ['lone', 0],
      ['deaf', undefined],
    ],
  );
});

test('the one cluster there is goes by its type', async () => {
  await using here = workspace();
  const binDirectory = programs(here.home, 'bin', SQUEUE);
  const { code, stdout } = await here.runWith(UNSAID, 'clusters', '--set', `cluster.binDirectory=${binDirectory}`);
  assert.equal(code, 0);
  assert.match(stdout.split('\n')[1] ?? '', /^slurm +slurm +yes +24\.11\.5 +2\/3 +h100 3\/8, a100 2\/2 +1 +0 /);
});
