import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { Status } from '../../src/api/status.ts';
import { decide } from '../../src/decide/decide.ts';
import { ANSWERS, observation, seenRecord, servingJob } from '../gen/observation.ts';

const HERE = new URL('../../manifests/argocd/resource_customizations/vllm-slurm.dev/VLLMDeployment/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, HERE), 'utf8');

type Health = { readonly status: string; readonly message: string };
const { tests } = parse(read('health_test.yaml')) as {
  readonly tests: readonly { readonly healthStatus: Health; readonly inputPath: string }[];
};

const LUA = ['lua5.4', 'lua5.3', 'lua'].find((program) => spawnSync(program, ['-v']).status === 0);

/** Argo CD's health of an object, as in its layout for tests of such scripts. */
describe('health in Argo CD', {
  skip: LUA === undefined ? 'needs a Lua interpreter (apt install lua5.4)' : false,
}, () => {
  for (const { inputPath, healthStatus } of tests) {
    it(`${inputPath.replace(/^testdata\/|\.yaml$/g, '')} is ${healthStatus.status}`, () => {
      assert.deepEqual(healthOf(parse(read(inputPath))), healthStatus);
    });
  }

  it('has a case for each object in testdata, and each has a status that the operator could have written', () => {
    const files = readdirSync(new URL('testdata/', HERE));
    assert.deepEqual(files.toSorted(), tests.map(({ inputPath }) => inputPath.replace('testdata/', '')).toSorted());
    for (const file of files) assert.ok(Status.safeParse(parse(read(`testdata/${file}`)).status ?? {}).success, file);
  });

  it('of what the operator itself says of a deployment that serves is Healthy', () => {
    const job = servingJob();
    const seen = observation({ jobs: [job], probes: [[job, ANSWERS]], status: { records: [seenRecord()] } });
    const { key, generation } = seen.resource;
    const object = { metadata: { ...key, generation }, spec: {}, status: decide(seen).status };
    assert.deepEqual(healthOf(object), { status: 'Healthy', message: '1 of 1 replicas answer' });
  });
});

function healthOf(object: unknown): Health {
  const program = `obj = ${luaOf(object)}
local health = (function()
${read('health.lua')}
end)()
io.write(health.status, "\\n", health.message)`;
  const { stdout, stderr } = spawnSync(LUA ?? 'lua', ['-'], { input: program, encoding: 'utf8', timeout: 30_000 });
  assert.equal(stderr, '');
  const [status = '', ...message] = stdout.split('\n');
  return { status, message: message.join('\n') };
}

/** A value as a Lua expression. */
function luaOf(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `{${value.map(luaOf).join(', ')}}`;
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([name, member]) => `[${luaOf(name)}] = ${luaOf(member)}`)
      .join(', ')}}`;
  const bytes = [...Buffer.from(String(value))].map((byte) => `\\${String(byte).padStart(3, '0')}`);
  return `"${bytes.join('')}"`;
}
