import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessId } from './process.ts';
import { JobRecord, type ScriptEnd } from './record.ts';

/**
 * Where the jobs of a local cluster live: `jobs/ID/` with the record, the script and what the keeper writes.
 * Reads and writes are synchronous: small files on a local disk, and each change of a job stays one whole step.
 * A failing write throws; the cluster answers it as trouble of its own.
 */
export type JobFiles = {
  /** Every job on disk; a file that cannot be read as one throws, for nothing may then be said of all jobs. */
  load(): readonly JobRecord[];
  /** Names the next job; never the same twice, whatever was purged. */
  takeId(): string;
  /** The job is there as a whole or not at all. */
  add(record: JobRecord, script: string): void;
  save(record: JobRecord): void;
  /** Keeps the record for `history`; the rest goes. */
  strip(id: string): void;
  remove(id: string): void;
  folder(id: string): string;
  /** Where the script runs: apart from the files above, so that it cannot write over them by chance. */
  workFolder(id: string): string;
  script(id: string): string;
  /** What the job last said of itself; undefined when it never did. */
  comment(id: string): string | undefined;
  /** The process that keeps the job; undefined before it has said so. */
  keeper(id: string): ProcessId | undefined;
  scriptEnd(id: string): ScriptEnd | undefined;
  /** Takes the job's only run, so that no keeper can. False when one has it. */
  claim(id: string): boolean;
};

export function createJobFiles(directory: string): JobFiles {
  const jobs = join(directory, 'jobs');
  const folder = (id: string): string => join(jobs, id);
  mkdirSync(jobs, { recursive: true, mode: 0o700 });
  for (const draft of readdirSync(jobs).filter((name) => name.startsWith('new-'))) rmSync(folder(draft), FORCED);

  function load(): readonly JobRecord[] {
    return readdirSync(jobs)
      .filter((name) => /^\d+$/.test(name))
      .map((id) => readRecord(join(folder(id), 'job.json')))
      .sort((a, b) => Number(a.id) - Number(b.id));
  }

  function takeId(): string {
    const path = join(directory, 'last-id');
    const onDisk = readdirSync(jobs).map(Number).filter(Number.isInteger);
    const id = String(Math.max(0, Number(read(path) ?? 0), ...onDisk) + 1);
    writeWhole(path, id);
    return id;
  }

  function add(record: JobRecord, script: string): void {
    const draft = folder(`new-${record.id}`);
    mkdirSync(join(draft, 'work'), { recursive: true, mode: 0o700 });
    writeFileSync(join(draft, 'script'), script, { mode: 0o700 });
    writeFileSync(join(draft, 'job.json'), JSON.stringify(record));
    renameSync(draft, folder(record.id));
  }

  function strip(id: string): void {
    for (const file of readdirSync(folder(id))) if (file !== 'job.json') rmSync(join(folder(id), file), FORCED);
  }

  function keeper(id: string): ProcessId | undefined {
    const match = /^(\d+) (\d+)\n$/.exec(read(join(folder(id), 'pid')) ?? '');
    return match ? { pid: Number(match[1]), startTicks: Number(match[2]) } : undefined;
  }

  function scriptEnd(id: string): ScriptEnd | undefined {
    const match = /^(exited|cancelled|timeout) (\d+) (\d+)\n$/.exec(read(join(folder(id), 'exit')) ?? '');
    if (!match) return undefined;
    return { how: match[1] as ScriptEnd['how'], code: Number(match[2]), endMs: Number(match[3]) * 1000 };
  }

  function claim(id: string): boolean {
    try {
      mkdirSync(join(folder(id), 'run'));
      return true;
    } catch {
      return false;
    }
  }

  return {
    load,
    takeId,
    add,
    save: (record) => writeWhole(join(folder(record.id), 'job.json'), JSON.stringify(record)),
    strip,
    remove: (id) => rmSync(folder(id), FORCED),
    folder,
    workFolder: (id) => join(folder(id), 'work'),
    script: (id) => readFileSync(join(folder(id), 'script'), 'utf8'),
    comment: (id) => read(join(folder(id), 'comment')),
    keeper,
    scriptEnd,
    claim,
  };
}

const FORCED = { recursive: true, force: true } as const;

function readRecord(path: string): JobRecord {
  try {
    return JobRecord.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new Error(`${path} is no job record`, { cause: error });
  }
}

export function writeWhole(path: string, text: string, mode = 0o600): void {
  const draft = `${path}.new`;
  writeFileSync(draft, text, { mode });
  renameSync(draft, path);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
