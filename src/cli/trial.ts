import { cpSync, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface, emitKeypressEvents } from 'node:readline';
import { Command } from 'commander';
import { EMPTY_CATALOG } from '../api/catalog.ts';
import type { Resource } from '../api/resource.ts';
import { Settings } from '../config.ts';
import { createLocalCluster, type LocalCluster } from '../slurm/local/local.ts';
import type { Store } from '../store/store.ts';
import { createLog } from '../telemetry/log.ts';
import { type Cli, EXIT, examples, fail, paint, print, say } from './cli.ts';
import { deploymentTable } from './get.ts';
import { createKnownSecrets } from './known-secrets.ts';
import { startOperator } from './operator.ts';
import { trialSamples } from './package.ts';
import { interrupted } from './run.ts';
import { alignedLines, displayWidth } from './table.ts';

const LOOK_MS = 500;
/** More than a laptop has: the stand-in needs hardly any. */
const VIRTUAL_CPUS = 16;
const VIRTUAL_GPUS = 4;

/** What `npm start` runs: everything real but the model and the cluster, in a scratch directory, gone with Ctrl-C. */
export function trialCommand(cli: Cli): Command {
  const command = new Command('trial')
    .description('try it here and now: sample deployments on this machine, no SLURM, no GPU; Ctrl-C removes everything')
    .action(async () => cli.exit(await trial(cli)));
  return examples(command, [['vllm-slurm trial', 'then press k to kill a job and watch it come back']]);
}

async function trial(cli: Cli): Promise<number> {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'vllm-slurm-trial-'));
  try {
    return await trialIn(cli, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function trialIn(cli: Cli, scratch: string): Promise<number> {
  const settings = settingsOf(scratch);
  cpSync(trialSamples(), settings.directory, { recursive: true });
  const logFile = path.join(scratch, 'operator.log');
  const stream = createWriteStream(logFile);
  const known = createKnownSecrets();
  const log = createLog({ ...settings.log, stream, isTerminal: false, colour: false, secrets: known });
  const cluster = await createLocalCluster({ ...settings.local, cpus: VIRTUAL_CPUS, clock: cli.clock });
  if (!cluster.ok) return fail(cli, cluster.error);
  const operator = await startOperator(
    cli,
    { settings, catalog: EMPTY_CATALOG },
    log,
    [{ settings, slurm: cluster.value }],
    known,
  );
  if (!operator.ok) {
    await cluster.value.close();
    return fail(cli, operator.error);
  }
  say(cli, 'A trial on this machine, with a stand-in instead of a model.');
  for (const line of alignedLines([
    ['  Deployments:', settings.directory],
    ["  The operator's log:", logFile],
  ]))
    say(cli, line);
  const screen = startScreen(cli, operator.value.store, settings.directory);
  const keys = listenForKeys(cli, () => killOne(operator.value.store, cluster.value, screen.note));
  await Promise.race([interrupted(cli.interrupted), keys.quit]);
  keys.close();
  screen.close();
  say(cli, 'Ending the jobs …');
  await operator.value.stop();
  await cluster.value.cancelAll();
  await cluster.value.close();
  await new Promise<void>((resolve) => stream.end(resolve));
  say(cli, 'Everything it started has ended.');
  return EXIT.ok;
}

function settingsOf(scratch: string): Settings {
  return Settings.parse({
    directory: path.join(scratch, 'deployments'),
    logDirectory: path.join(scratch, 'logs'),
    secretDirectory: path.join(scratch, 'secrets'),
    cluster: { type: 'local', name: 'trial' },
    local: { directory: path.join(scratch, 'cluster'), gpus: VIRTUAL_GPUS },
    intervals: { tickSeconds: 1 },
  });
}

type Screen = {
  /** A line for people between two tables. */
  note(text: string): void;
  close(): void;
};

/** On a terminal the table stands still and is drawn anew; elsewhere a line tells each change. */
function startScreen(cli: Cli, store: Store, directory: string): Screen {
  const isTerminal = cli.stdout.isTTY === true;
  const told = new Map<string, string>();
  let drawn = 0;
  let invited = false;
  let notes: readonly string[] = [];

  async function look(): Promise<void> {
    const listed = await store.list();
    if (!listed.ok) return;
    const resources = [...listed.value].sort((a, b) => (a.key.name < b.key.name ? -1 : 1));
    if (isTerminal) draw(resources);
    else tell(resources);
    if (invited || resources.length === 0 || !resources.every(isReady)) return;
    invited = true;
    if (!isTerminal) print(cli, invitation(resources, directory, 'k and Enter').join('\n'));
  }

  function draw(resources: readonly Resource[]): void {
    const lines = [
      '',
      ...deploymentTable(cli, resources).split('\n'),
      '',
      ...(invited ? invitation(resources, directory, 'k') : ['Waiting for the first answers …']),
      ...notes.slice(-3).map((note) => paint(cli, cli.stdout, 'dim', note)),
    ];
    const up = drawn > 0 ? `\u001b[${drawn}A` : '';
    cli.stdout.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[0J`);
    drawn = lines.reduce((rows, line) => rows + rowsOf(line, cli.stdout.columns ?? 80), 0);
  }

  function tell(resources: readonly Resource[]): void {
    for (const { key, spec, status } of resources) {
      const ready = status.conditions?.find((condition) => condition.type === 'Ready');
      const line = `${key.name}: ${status.phase ?? 'Pending'}, ${status.readyReplicas ?? 0} of ${spec?.replicas ?? 0} ready${
        status.url ? ` at ${status.url}` : ''
      }${ready?.status === 'False' ? ` (${ready.message})` : ''}`;
      if (told.get(key.name) !== line) print(cli, line);
      told.set(key.name, line);
    }
  }

  const timer = setInterval(() => void look(), LOOK_MS);
  void look();
  return {
    note(text) {
      notes = [...notes, text];
      if (!isTerminal) print(cli, text);
    },
    close: () => clearInterval(timer),
  };
}

/** A long line takes several rows of the terminal. */
function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(displayWidth(line) / columns));
}

function isReady({ status }: Resource): boolean {
  return status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}

/** @param kill what to press for it */
function invitation(resources: readonly Resource[], directory: string, kill: string): readonly string[] {
  const [first] = resources.filter(({ status }) => status.url !== undefined);
  if (!first) return ['No endpoint answers at present; the operator is on it.', ''];
  const closer = resources.find((resource) => !isReady(resource)) ?? first;
  const body = JSON.stringify({
    model: first.spec?.model.name ?? first.key.name,
    messages: [{ role: 'user', content: 'Hello' }],
  });
  return [
    'Ask it, in another terminal, in this directory:',
    `  npm run -s vllm-slurm -- query ${first.key.name} 'Hello' -d ${directory}`,
    `  curl -s ${first.status.url}/v1/chat/completions -H 'Content-Type: application/json' -d '${body}'`,
    'Look closer:',
    `  npm run -s vllm-slurm -- describe ${closer.key.name} -d ${directory}`,
    '',
    `Press ${kill} to kill a job as a fault would, and watch it come back. Ctrl-C ends everything.`,
    '',
  ];
}

/** As a fault would: the job's processes die, nobody tells the operator. */
async function killOne(store: Store, cluster: LocalCluster, note: Screen['note']): Promise<void> {
  const listed = await store.list();
  const endpoint = listed.ok
    ? listed.value.flatMap(({ status }) => status.endpoints ?? []).find(({ ready }) => ready)
    : undefined;
  if (!endpoint) {
    note('There is no serving job to kill yet.');
    return;
  }
  const killed = cluster.kill(endpoint.jobId);
  note(
    killed > 0
      ? `Killed job ${endpoint.jobId} (${killed} processes). The operator does not know.`
      : `Job ${endpoint.jobId} has just ended.`,
  );
}

/** `k` kills, `q` quits; on a terminal as a key, elsewhere as a line. */
function listenForKeys(cli: Cli, kill: () => Promise<void>): { readonly quit: Promise<void>; close(): void } {
  const { stdin } = process;
  let quit = () => {};
  const quitting = new Promise<void>((resolve) => {
    quit = resolve;
  });
  const press = (key: string | undefined): void => {
    if (key === 'k') void kill();
    if (key === 'q') quit();
  };
  if (stdin.isTTY && cli.stdout.isTTY) {
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    const onKey = (_text: string, key: { readonly name?: string; readonly ctrl?: boolean }): void =>
      key.ctrl && key.name === 'c' ? quit() : press(key.name);
    stdin.on('keypress', onKey).resume();
    return {
      quit: quitting,
      close() {
        stdin.off('keypress', onKey).setRawMode(false);
        stdin.pause();
      },
    };
  }
  const lines = createInterface({ input: stdin });
  lines.on('line', (line) => press(line.trim()));
  return { quit: quitting, close: () => lines.close() };
}
