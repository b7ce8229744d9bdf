import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/**
 * `npm run test:live [FILE...]`: everything that needs a real SLURM or a real Kubernetes API server, which the tests
 * install, build and start themselves. Skipped, with the reason, only where no bed can be; never in CI.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const named = process.argv.slice(2);
const all = named.length > 0 ? named : globSync('test/live/*.live.ts', { cwd: root }).sort();
/** What a file needs, by the beginning of its name; the last matches everything. */
const grounds = [
  { begins: 'kubernetes', missing: whyNoPrograms() },
  { begins: '', missing: whyNoBed() },
];
const reasonAgainst = (file: string): string | undefined =>
  grounds.find(({ begins }) => path.basename(file).startsWith(begins))?.missing;
for (const file of all.filter(reasonAgainst)) process.stderr.write(`skipped: ${file}: ${reasonAgainst(file)}\n`);
const files = all.filter((file) => reasonAgainst(file) === undefined);
if (files.length === 0) process.exit(0);
// One file at a time: what they wait for is real, and two beds on two cores make each other late.
const { status, signal } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? (signal ? 1 : 0));
