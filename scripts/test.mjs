// `npm test [FILE...]`: every test but those of test/live, or only the named files.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const named = process.argv.slice(2);
const files =
  named.length > 0
    ? named
    : globSync('test/**/*.test.ts', { cwd: root, exclude: (name) => name === path.join('test', 'live') }).sort();
// One process a file: more than the cores only makes each slower.
const concurrency = Math.max(1, Math.min(4, os.availableParallelism()));
const { status, signal } = spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? (signal ? 1 : 0));
