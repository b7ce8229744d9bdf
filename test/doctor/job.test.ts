import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { readJobOutput } from '../../src/cli/doctor/job-output.ts';
import { doctorScript } from '../../src/cli/package.ts';
import { assignment } from '../../src/launch/quote.ts';

const script = doctorScript();

test('what runs on the node tells what is there, whatever the names, and changes nothing', () => {
  const home = mkdtempSync(path.join(os.tmpdir(), "doctor's $(job) "));
  try {
    const ask = path.join(home, 'ask');
    const venv = path.join(home, 'venv');
    writeFileSync(ask, 'the word\n');
    mkdirSync(path.join(venv, 'lib/python3.12/site-packages/vllm-0.32.0+cpu.dist-info'), { recursive: true });
    const directories = [home, path.join(home, 'not/there'), path.join(ask, 'below a file')];
    const head = [
      assignment('VSO_ASK', ask),
      assignment('VSO_WORD', 'last'),
      assignment('VSO_DIRECTORIES', directories),
      assignment('VSO_VENVS', [venv, `${home}/none`]),
    ];
    const bin = path.join(home, 'site/bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(path.join(bin, 'vllm'), '', { mode: 0o755 });
    mkdirSync(path.join(home, 'site/lib/python3.11/dist-packages/vllm-0.31.2.dist-info'), { recursive: true });
    mkdirSync(path.join(home, 'links'));
    symlinkSync(path.join(bin, 'vllm'), path.join(home, 'links/vllm'));
    const input = [...head, script].join('\n');
    const { stdout, stderr } = spawnSync('bash', [], {
      input,
      encoding: 'utf8',
      timeout: 30_000,
      env: { PATH: `${home}/links:/usr/bin:/bin` },
    });
    assert.equal(stderr, '');
    const output = readJobOutput(`slurm says something\n${stdout}`, 'last');
    assert.ok(output);
    const { node, clockMs, ephemeralPorts, ...seen } = output;
    assert.deepEqual(seen, {
      word: 'the word',
      directories: [
        { path: directories[0], purpose: 'model cache', is: 'writable' },
        { path: directories[1], purpose: 'model cache', is: 'absent' },
        { path: directories[2], purpose: 'model cache', is: 'unusable' },
      ],
      venvs: [
        { path: venv, is: 'there', engine: '0.32.0+cpu' },
        { path: `${home}/none`, is: 'absent' },
      ],
      host: { program: path.join(bin, 'vllm'), engine: '0.31.2' },
    });
    assert.equal(readJobOutput(stdout, 'another'), undefined);
    assert.equal(readJobOutput(stdout.slice(0, -6), 'last'), undefined);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('it pleases shellcheck', { skip: spawnSync('shellcheck', ['--version']).error !== undefined }, () => {
  const { stdout, status } = spawnSync('shellcheck', ['-s', 'bash', '-'], { input: script, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});
