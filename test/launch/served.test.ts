import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { allowedPorts, parsePortRange } from '../../src/launch/ports.ts';
import { ownModelName, servedName, servedNames } from '../../src/launch/served.ts';

const spec = (model: SpecInput['model'], endpoint: SpecInput['endpoint'] = {}) => Spec.parse({ model, endpoint });

describe('the names of a model', () => {
  const cases: readonly [title: string, model: SpecInput['model'], name: string][] = [
    ['the one given', { uri: 'hf://org/repo', name: 'chat' }, 'chat'],
    ['else the repository', { uri: 'hf://Qwen/Qwen3-8B' }, 'Qwen/Qwen3-8B'],
    ['else the last part of the path', { uri: 'file:///models/tiny-llama/' }, 'tiny-llama'],
  ];
  for (const [title, model, name] of cases) it(title, () => assert.equal(servedName(spec(model)), name));

  it('aliases come behind the name, and the job’s own name is in neither', () => {
    const chat = spec({ uri: 'hf://org/repo', name: 'chat', aliases: ['gpt', 'best'] });
    assert.deepEqual(servedNames(chat), ['chat', 'gpt', 'best']);
    assert.equal(ownModelName('4711'), 'vllm-slurm--job-4711');
  });
});

describe('the ports of a job', () => {
  const site = { portRange: { low: 20_000, high: 30_000 } };
  const model = { uri: 'hf://org/repo' };

  it('are the spec’s one port, else its range, else the site’s', () => {
    assert.deepEqual(
      [spec(model, { port: 8000 }), spec(model, { portRange: '4000-4010' }), spec(model)].map((one) =>
        allowedPorts(one, site),
      ),
      [{ low: 8000, high: 8000 }, { low: 4000, high: 4010 }, site.portRange],
    );
  });

  it('are in order and unprivileged', () => {
    assert.deepEqual(['1024-65535', '8000-8000', '8001-8000', '1023-2000', '8000-65536', 'a-b'].map(parsePortRange), [
      { low: 1024, high: 65_535 },
      { low: 8000, high: 8000 },
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
