import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from './markdown.ts';

/** For all the commands of one document on a loaded machine, where a site says nothing else. */
const DEADLINE_MS = 120_000;
const DIED_MS = 20_000;

/** A cluster, as the reader of a document finds it. */
export type Site = {
  /** Variables of the reader's, beside those of any machine. */
  readonly environment: Readonly<Record<string, string>>;
  /** Directories before those of PATH. */
  readonly programs?: readonly string[];
  readonly deadlineMs?: number;
  /** The reader installs the project: the checkout is a copy of it, of the reader's own. */
  readonly isInstalled?: true;
  /** Ends what the reader left running. */
  endJobs(): Promise<void>;
};

/** A newcomer's machine: an empty home, a checkout, `vllm-slurm` and a `vllm` without a model on PATH. */
export type Scratch = {
  /** Where a person's files are: `~`. */
  readonly home: string;
  /** The checkout, and where commands begin. */
  readonly checkout: string;
  run(script: string): Promise<Ran>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type Ran = { readonly code: number | null; readonly said: string };

/** @param siteAt the cluster for a reader whose files are below `root` */
export function scratch(siteAt: (root: string) => Site): Scratch {
  const root = mkdtempSync(path.join(os.tmpdir(), 'documents-'));
  const at = (...parts: readonly string[]) => path.join(root, ...parts);
  const home = at('home');
  const checkout = at('checkout');
  for (const made of ['home', 'checkout', 'bin', 'operators']) mkdirSync(at(made));
  const program = (name: string, text: string) => {
    writeFileSync(at('bin', name), `#!/bin/bash\n${text}`);
    chmodSync(at('bin', name), 0o755);
  };
  const site = siteAt(root);
  if (site.isInstalled) copyCheckout(checkout);
  else linkCheckout(checkout);
  program('vllm', `exec '${process.execPath}' '${path.join(ROOT, 'src/standin/stand-in.ts')}' "$@"\n`);
  program('vllm-slurm', operatorInBackground(path.join(ROOT, 'src/main.ts'), at('operators')));

  return {
    home,
    checkout,
    run: (script) =>
      runScript(
        script,
        checkout,
        {
          HOME: home,
          USER: 'user',
          LC_ALL: 'C.UTF-8',
          PATH: `${[at('bin'), ...(site.programs ?? [])].join(':')}:${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
          VLLM_SLURM_INTERVALS_TICK_SECONDS: '1',
          ...site.environment,
        },
        site.deadlineMs ?? DEADLINE_MS,
      ),
    async [Symbol.asyncDispose]() {
      await endOperators(at('operators'));
      await site.endJobs();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** As much of it as documents speak of. */
function linkCheckout(checkout: string): void {
  for (const part of ['config', 'crds', 'docs', 'helm', 'manifests', 'package.json'])
    symlinkSync(path.join(ROOT, part), path.join(checkout, part));
}

function copyCheckout(checkout: string): void {
  const made = ['.git', 'node_modules', 'dist'].map((name) => path.join(ROOT, name));
  cpSync(ROOT, checkout, { recursive: true, filter: (from) => !made.includes(from) });
}

/** The program, as the reader has installed it, if so. `run` works until Ctrl-C, in a terminal of its own: here in the background, and the next command may follow. */
function operatorInBackground(main: string, directory: string): string {
  return `program=('${process.execPath}' '${main}')
installed=\${npm_config_prefix:-}/bin/vllm-slurm
[ ! -x "$installed" ] || program=("$installed")
[ "$1" = run ] || exec "\${program[@]}" "$@"
log=$(mktemp '${directory}/XXXXXX.log')
"\${program[@]}" "$@" >"$log" 2>&1 </dev/null &
operator=$!
echo "$operator" >"\${log%.log}.pid"
for _ in {1..600}; do
  if grep -q 'SLURM answers' "$log"; then exit 0; fi
  if ! kill -0 "$operator" 2>/dev/null; then break; fi
  sleep 0.1
done
cat "$log" >&2
exit 1
`;
}

function runScript(
  script: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
  deadlineMs: number,
): Promise<Ran> {
  // Of a group of its own: what a command of it started is ended with it.
  const child = spawn('/bin/bash', ['-s'], { cwd, env, detached: true });
  const deadline = setTimeout(() => signal(-(child.pid ?? 0), 'SIGKILL'), deadlineMs);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece));
  child.stdin.end(script);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(deadline);
      resolve({ code, said });
    });
  });
}

async function endOperators(directory: string): Promise<void> {
  for (const file of readdirSync(directory)) {
    if (!file.endsWith('.pid')) continue;
    const pid = Number(readFileSync(path.join(directory, file), 'utf8'));
    if (!signal(pid, 'SIGTERM')) continue;
    for (let waited = 0; signal(pid, 0) && waited < DIED_MS; waited += 50) await delay(50);
    signal(pid, 'SIGKILL');
  }
}

/** @returns whether there was such a process */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
