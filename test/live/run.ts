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
// Two files at a time: each has a bed of its own, on ports of its own.
const { status, signal } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? (signal ? 1 : 0));
