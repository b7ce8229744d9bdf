import './cli/small-heap.ts';
import os from 'node:os';
import { runProgram } from './cli/program.ts';
import { systemClock } from './clock.ts';

const interruption = new AbortController();
// The second Ctrl-C is the system's again: it ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interruption.abort(signal));

// `vllm-slurm get | head` closes the pipe early, a closed window takes the terminal away: nobody listens any more, so
// it ends as by Ctrl-C, in good order.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    interruption.abort();
  });
}

// The timers of the clock let the process end, which it must not while something waits for one of them.
const alive = setInterval(() => undefined, 60_000);
await runProgram(
  {
    environment: process.env,
    home: os.homedir(),
    workingDirectory: process.cwd(),
    userId: process.getuid?.(),
    clock: systemClock,
    stdout: process.stdout,
    stderr: process.stderr,
    interrupted: interruption.signal,
    exit: (code) => {
      process.exitCode = code;
    },
  },
  process.argv.slice(2),
);
clearInterval(alive);
