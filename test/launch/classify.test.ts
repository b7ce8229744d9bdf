import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serveBody } from './compute-node.ts';

/** Recorded logs of vLLM 0.32.0 that did not start, and what serve.sh makes of them. */
const CLASSES: Readonly<Record<string, 64 | 65 | 66>> = {
  'bad-quantization': 64,
  'hub-offline': 64,
  'hub-unreachable': 65,
  'kv-too-small': 64,
  'len-too-big': 64,
  'missing-model': 64,
  'no-kv-memory': 64,
  'no-vllm-module': 64,
  'port-in-use': 66,
  'tp-not-divisible': 64,
  'truncated-weights': 64,
  'unknown-flag': 64,
  'unknown-reasoning-parser': 64,
  'unknown-tool-parser': 64,
  'unsupported-arch': 64,
};

it('every recorded failure of a start has its class', () => {
  const directory = fileURLToPath(new URL('../fixtures/launch/vllm-failures/', import.meta.url));
  const functions = serveBody.replace(/^main$/m, '');
  const script = `${functions}
LOG_FROM=1
cd "$DIRECTORY" || exit
for LOG in *.log; do echo "\${LOG%.log} $(class_of_failed_start 1)"; done
`;
  const output = execFileSync('bash', {
    input: script,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, DIRECTORY: directory, LC_ALL: 'C' },
  });
  const found = Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
      .map(([name, code]) => [name, Number(code)]),
  );
  assert.deepEqual(found, CLASSES);
  assert.equal(readdirSync(directory).length, Object.keys(CLASSES).length);
});
