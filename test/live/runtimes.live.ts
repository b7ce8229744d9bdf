import assert from 'node:assert/strict';
import { realpath, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SpecInput } from '../../src/api/spec.ts';
import { tryApptainer } from './apptainer/prepare.ts';
import { until } from './operator/until.ts';
import { jobsOf } from './serving/resubmission.ts';
import { setStage } from './serving/stage.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** Engines in containers of real Apptainer, on real SLURM: they come up, end as others do, and say what is wrong. */

const STAND_IN = fileURLToPath(new URL('../../src/standin', import.meta.url));
const READY_MS = 120_000;
const KEY = 'canary-key-of-the-container';

const tried = whyNoBed() ?? (await tryApptainer());
const why = typeof tried === 'string' ? tried : false;
const apptainer = typeof tried === 'string' ? { bin: '', image: '', path: '' } : tried;

describe('Apptainer on nodes with addresses of their own', { skip: why }, async () => {
  const node = dirname(dirname(await realpath(process.execPath)));
  const on = setStage({ nodes: 2, expose: [apptainer.path] });

  /** The site's module system: one module, and what it brings is on PATH. */
  before(async () => {
    const file = `${on.bed.directory}/modules.sh`;
    await writeFile(file, `module() { [ "$*" != 'load apptainer' ] || PATH=${apptainer.bin}:$PATH; }\n`, {
      mode: 0o644,
    });
    for (const host of on.bed.nodeNames) {
      await on.bed.on(host, 'root', 'mount', '-t', 'tmpfs', 'tmpfs', '/etc/profile.d');
      await on.bed.on(host, 'root', 'cp', file, '/etc/profile.d/modules.sh');
    }
  });

  /** Of what the image needs only `runtime.mounts` and the model are named: the rest is there by itself. */
  function contained(nodes: number, more: Partial<SpecInput> = {}): SpecInput {
    return {
      model: { uri: `file://${on.vllm.model}`, name: 'tiny' },
      parallelism: { tensor: nodes },
      resources: { nodes, gpusPerNode: 0, memory: '2G' },
      runtime: {
        type: 'apptainer',
        image: apptainer.image,
        mounts: [`${node}:/opt/node`, `${STAND_IN}:/opt/stand-in`],
        modules: ['apptainer'],
      },
      launcher: { type: 'native' },
      ...more,
    };
  }
  const ask = (name: string) => on.desk.tell('query', name, 'hello', '--no-stream');
  /** Everything a host runs, as its root sees it. */
  const commandsOn = (host: string) => on.bed.on(host, 'root', 'sh', '-c', "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
  const nothingRuns = async (host: string) => assert.doesNotMatch(await commandsOn(host), /stand-in\.ts/);

  test('one node serves from an image, with a secret that nobody is shown, and drains', async () => {
    const key = `${on.bed.home}/key`;
    await on.bed.run('sh', '-c', `umask 077; echo ${KEY} >${key}`);
    await on.desk.write('one', contained(1, { endpoint: { apiKeyFrom: { file: key } } }));
    await on.desk.ready('one', READY_MS);
    assert.notEqual(await ask('one'), '');
    const { url } = await on.desk.status('one');
    const answer = await on.bed.run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `${url}/v1/models`);
    assert.equal(answer, '401');
    const [job] = await jobsOf(on.bed, 'one');
    const host = job?.nodes[0] ?? '';
    const seen = [
      await commandsOn(host),
      await on.bed.run('scontrol', 'show', 'job', '-dd', job?.id ?? ''),
      await on.bed.run('scontrol', 'write', 'batch_script', job?.id ?? '', '-'),
      await on.desk.tell('logs', 'one'),
    ];
    assert.deepEqual(
      seen.map((text) => text.includes(KEY)),
      seen.map(() => false),
    );
    assert.match(seen[0] ?? '', /stand-in\.ts serve/);
    await on.desk.remove('one');
    await nothingRuns(host);
  });

  for (const type of ['native', 'torchrun'] as const) {
    test(`two nodes serve as one by ${type} inside the image, and a rank killed there brings a new job`, async () => {
      const spec = contained(2, { launcher: { type } });
      const { venv, paths } = on.vllm;
      const torch = type === 'torchrun' ? { mounts: paths, path: [`${venv}/bin`] } : { mounts: [], path: [] };
      await on.desk.write(type, {
        ...spec,
        runtime: { ...spec.runtime, mounts: [...(spec.runtime?.mounts ?? []), ...torch.mounts] },
        engine: { env: { PATH: ['/usr/local/bin', ...torch.path, '/usr/bin', '/bin'].join(':') } },
      });
      await on.desk.ready(type, READY_MS);
      assert.notEqual(await ask(type), '');
      // It answers a moment before the job itself has seen that; until then an end is a failed start.
      const job = await until('its own word that it serves', async () =>
        (await jobsOf(on.bed, type)).find(({ comment }) => comment.includes('|phase=ready')),
      );
      const [head = '', peer = ''] = job.nodes;
      // The rank, not those whose command line quotes it.
      assert.equal(await on.bed.signal(peer, 'KILL', '^[^ ]*node [^ ]*stand-in\\.ts serve .*--headless'), 1);
      const { lastFailure } = await on.desk.shows(type, 'a failure', READY_MS, (status) => Boolean(status.lastFailure));
      assert.deepEqual([lastFailure?.jobId, lastFailure?.exitCode], [job.id, 68]);
      await on.desk.remove(type);
      for (const host of [head, peer]) await nothingRuns(host);
    });
  }

  const refused: readonly {
    readonly what: string;
    readonly name: string;
    readonly runtime: SpecInput['runtime'];
    readonly exitCode: number;
    readonly words: RegExp;
  }[] = [
    {
      what: 'an image that is not there',
      name: 'absent',
      runtime: { image: '/nowhere/vllm.sif' },
      exitCode: 78,
      words: /correct spec\.runtime\.image/,
    },
    {
      what: 'a file that is no image',
      name: 'broken',
      runtime: { image: '/etc/hosts' },
      exitCode: 78,
      words: /image format not recognized/,
    },
    {
      what: 'nodes without Apptainer',
      name: 'bare',
      runtime: { modules: [] },
      exitCode: 77,
      words: /spec\.runtime\.modules/,
    },
    {
      what: 'a mount that is not there',
      name: 'mounted',
      runtime: { mounts: ['/nowhere'] },
      exitCode: 78,
      words: /spec\.runtime\.mounts/,
    },
    { what: 'an image without vLLM', name: 'empty', runtime: {}, exitCode: 74, words: /spec\.runtime\.image/ },
    {
      what: 'a registry that does not answer',
      name: 'remote',
      runtime: { image: 'docker://127.0.0.1:9/vllm:1' },
      exitCode: 78,
      words: /apptainer pull/,
    },
  ];
  test('what cannot work is found on both nodes before anything starts, each with its reason', async () => {
    for (const { name, runtime } of refused) {
      const spec = contained(2);
      const engine = name === 'empty' ? { engine: { env: { PATH: '/usr/bin:/bin' } } } : {};
      await on.desk.write(name, { ...spec, ...engine, runtime: { ...spec.runtime, ...runtime } });
    }
    for (const { what, name, exitCode, words } of refused) {
      const { lastFailure } = await on.desk.shows(name, what, READY_MS, (status) => Boolean(status.lastFailure));
      assert.equal(lastFailure?.exitCode, exitCode, what);
      assert.match(`${lastFailure?.message} ${lastFailure?.advice} ${lastFailure?.logTail}`, words, what);
      await on.desk.remove(name);
    }
  });
});
