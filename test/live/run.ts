import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { whyNoBed } from './slurm-bed/bed.ts';

/**
 * `npm run test:live [FILE...]`: everything that needs a real SLURM, which the tests install and start themselves.
 * Skipped, with the reason, only where no bed can be; never in CI.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const named = process.argv.slice(2);
const files = named.length > 0 ? named : globSync('test/live/*.live.ts', { cwd: root }).sort();
const reason = whyNoBed();
if (reason !== undefined) {
  process.stderr.write(`skipped: ${reason}\n`);
  process.exit(0);
}
// One file at a time: what they wait for is real, and two beds on two cores make each other late.
const { status, signal } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? (signal ? 1 : 0));
