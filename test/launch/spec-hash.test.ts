import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { specHash } from '../../src/launch/spec-hash.ts';

const hashOf = (more: Partial<SpecInput> = {}) => specHash(Spec.parse({ model: { uri: 'hf://org/repo' }, ...more }));
const plain = hashOf();

describe('the hash of a spec', () => {
  it('is the one of earlier versions: another would restart every job there is', () => {
    assert.equal(plain, '3b98a0db41884a2e');
    assert.equal(
      hashOf({ resources: { gpusPerNode: 4 }, engine: { args: ['--enforce-eager'], env: { B: '2', A: '1' } } }),
      '1ff9bc10482c0867',
    );
  });

  it('does not change with the cluster: where a deployment is to be is compared with where it is', () => {
    assert.equal(hashOf({ slurm: { cluster: 'alps' } }), plain);
    assert.equal(hashOf({ slurm: { cluster: 'alps', account: 'a' } }), hashOf({ slurm: { account: 'a' } }));
  });

  it('does not change when a field is written out that is so by default', () => {
    assert.equal(hashOf({ parallelism: { pipeline: 1 }, engine: { args: [], trustRemoteCode: false } }), plain);
  });

  it('does not change when a new version has a new field with a default', () => {
    const present = Spec.parse({ model: { uri: 'hf://org/repo' } });
    // Seen from a version that has not got the field yet, each field of the present one is such a new field.
    const older = Object.entries(present)
      .filter(([field]) => field !== 'model')
      .map(([field]) => specHash({ ...present, [field]: undefined }));
    assert.deepEqual(new Set(older), new Set([plain]));
    assert.equal(specHash({ ...present, probes: { ...present.probes, startup: {} } } as Spec), plain);
  });

  it('does not change when the split is written out that is so by default, and does with any other', () => {
    const nodes = { resources: { nodes: 2, gpusPerNode: 4 } };
    const split = (parallelism: SpecInput['parallelism']) => hashOf({ ...nodes, parallelism });
    assert.equal(split({ pipeline: 2 }), hashOf(nodes));
    assert.equal(split({ tensor: 8, pipeline: 1 }), split({ tensor: 8 }));
    assert.equal(new Set([hashOf(nodes), split({ pipeline: 1 }), split({ tensor: 8 }), split({ data: 2 })]).size, 4);
  });

  it('does not change with the order of names in a file', () => {
    assert.equal(hashOf({ engine: { env: { A: '1', B: '2' } } }), hashOf({ engine: { env: { B: '2', A: '1' } } }));
  });

  it('does not change with what is no job’s business', () => {
    assert.equal(hashOf({ replicas: 7, suspend: true, restartPolicy: { maxRestarts: 1 } }), plain);
  });

  const changes: readonly Partial<SpecInput>[] = [
    { model: { uri: 'hf://org/other' } },
    { model: { uri: 'hf://org/repo', aliases: ['a'] } },
    { resources: { gpusPerNode: 2 } },
    { slurm: { partitions: ['a'] } },
    { slurm: { exclude: ['n1'] } },
    { runtime: { type: 'venv', venv: '/v' } },
    { engine: { args: ['--enforce-eager'] } },
    { engine: { env: { A: '' } } },
    { endpoint: { port: 8000 } },
    { probes: { startup: { timeoutSeconds: 60 } } },
    { probes: { liveness: { periodSeconds: 5 } } },
    { probes: { canary: { periodSeconds: 5 } } },
    { resources: { nodes: 2 } },
    { parallelism: { data: 2 } },
    { parallelism: { expert: true } },
    { launcher: { type: 'native' } },
    { model: { uri: 'hf://org/repo', tokenFrom: { env: 'A' } } },
    { endpoint: { apiKeyFrom: { file: '/key' } } },
  ];
  it('changes with everything that a job is made from', () => {
    const hashes = changes.map((change) => hashOf(change));
    assert.equal(new Set([plain, ...hashes]).size, changes.length + 1);
  });

  it('changes with the order of lists, which may mean something', () => {
    assert.notEqual(hashOf({ engine: { args: ['--a', '--b'] } }), hashOf({ engine: { args: ['--b', '--a'] } }));
  });
});
