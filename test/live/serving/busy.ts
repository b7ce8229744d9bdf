import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { startNodeBed } from '../node-bed/bed.ts';
import { prepareVllm } from '../vllm/prepare.ts';
import { openDesk } from './desk.ts';
import type { LoadReport } from './load.ts';
import { tinyModel } from './specs.ts';

/**
 * `busy.ts [--seconds 600] [--concurrency 8]`: real vLLM over two nodes under load that never lets up. A server that is
 * only busy is never restarted: fails if one job did not do it all, or if Ready was ever taken back.
 */

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, concurrency: { type: 'string', default: '8' } },
});
const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url));
const READY_MS = 600_000;

const vllm = await prepareVllm(console.error);
const bed = await startNodeBed({ nodes: 2, expose: vllm.paths });
try {
  const desk = await openDesk(bed);
  await desk.write('busy', tinyModel(vllm, 2));
  await desk.ready('busy', READY_MS);
  const before = await desk.status('busy');
  if (before.url === undefined) throw new Error('it is ready and says nowhere where');
  const flags = [
    `--url=${before.url}`,
    '--model=tiny',
    `--seconds=${values.seconds}`,
    `--concurrency=${values.concurrency}`,
  ];
  const [program, ...argv] = bed.command('controller', 'vllm', process.execPath, LOAD, ...flags);
  const load = await execa(program, argv, { timeout: Number(values.seconds) * 1000 + 180_000, stdin: 'ignore' });
  const report = JSON.parse(load.stdout) as LoadReport;
  const after = await desk.status('busy');
  const transitions = desk.said().match(/"reason":"ProbeFailed"/g)?.length ?? 0;
  console.log(JSON.stringify({ ...report, restarts: after.restarts, probeFailed: transitions }));
  await desk.close();
  if (after.restarts !== 0 || transitions > 0 || after.endpoints?.[0]?.jobId !== before.endpoints?.[0]?.jobId)
    throw new Error('a server that was only busy was given up');
} finally {
  await bed.stop();
}
