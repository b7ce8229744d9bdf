import type { Clock } from '../../clock.ts';
import { type Directives, readDirectives } from '../directives.ts';
import { type NodeSlots, type Partition, type Queue, schedule } from '../scheduler.ts';
import { jobEnvironment } from './environment.ts';
import type { JobFiles } from './job-files.ts';
import { startKeeper } from './keeper.ts';
import { capOutput, openOutput, outputPath } from './output.ts';
import { isAlive, killCarriers, signalProcess } from './process.ts';
import {
  type EndedRecord,
  isEnded,
  isPending,
  isStarted,
  type JobRecord,
  type PendingRecord,
  type ScriptEnd,
  type StartedRecord,
  settled,
} from './record.ts';

/** A keeper writes its number at once; one that has not by then never began. */
const KEEPER_GRACE_MS = 30_000;

export type Place = {
  readonly cluster: string;
  readonly node: NodeSlots;
  readonly partition: Partition;
  /** What jobs inherit. */
  readonly environment: Readonly<Record<string, string>>;
  readonly gpusAreReal: boolean;
  readonly binDirectory: string;
  /** Path of `job.sh`. */
  readonly keeperProgram: string;
  readonly killWaitMs: number;
  readonly minJobAgeMs: number;
  readonly historyMs: number;
  readonly maxLogBytes: number;
};

/** From the queue over the process to the record of its end. Every step is written down before it is taken. */
export type JobLife = {
  all(): readonly JobRecord[];
  add(record: PendingRecord, script: string): void;
  /** Ends a job that is not over; it takes its time. */
  end(record: JobRecord): void;
  /** Brings every record up to what has happened since, and starts what can start. Throws when the disk refuses. */
  refresh(): void;
  capOutputs(): void;
};

export function createJobLife(of: {
  readonly files: JobFiles;
  readonly clock: Clock;
  readonly place: Place;
  /** A keeper of ours has just ended. */
  readonly onExit: () => void;
}): JobLife {
  const { files, clock, place, onExit } = of;
  const jobs = new Map<string, JobRecord>(files.load().map((record) => [record.id, record]));
  const directives = new Map<string, Directives>();
  /** Epoch, ms, of the last time a keeper was started for it by this process. */
  const keptMs = new Map<string, number>();
  const all = (): readonly JobRecord[] => [...jobs.values()];

  function refresh(): void {
    for (const record of all().filter(isStarted)) follow(record);
    for (const record of all().filter(isEnded)) age(record);
    startWaiting();
  }

  function follow(record: StartedRecord): void {
    const keeper = files.keeper(record.id);
    const alive = keeper !== undefined && isAlive(keeper);
    // Read after that: a keeper that was alive a moment ago may have written its last word since.
    const end = files.scriptEnd(record.id);
    const sinceMs = keptMs.get(record.id);
    if (end) settle(record, end);
    else if (alive && record.cancelled) signalProcess(keeper, 'SIGTERM');
    else if (alive) return;
    else if (keeper) giveUp(record);
    else if (record.cancelled && files.claim(record.id))
      settle(record, { how: 'cancelled', code: 0, endMs: clock.now() });
    else if (sinceMs === undefined) keep(record);
    else if (clock.now() - sinceMs > KEEPER_GRACE_MS) giveUp(record);
  }

  function settle(record: StartedRecord, end: ScriptEnd | undefined): void {
    const comment = files.comment(record.id) ?? record.comment;
    save(settled({ ...record, comment }, end, clock.now()));
    directives.delete(record.id);
    keptMs.delete(record.id);
  }

  /** The keeper is dead and left no word: what it kept is ended here, and no other keeper may begin. */
  function giveUp(record: StartedRecord): void {
    files.claim(record.id);
    killCarriers(record.token);
    settle(record, undefined);
  }

  function age(record: EndedRecord): void {
    const ageMs = clock.now() - record.endMs;
    if (record.purged && ageMs > place.historyMs) {
      files.remove(record.id);
      jobs.delete(record.id);
    } else if (!record.purged && ageMs > place.minJobAgeMs) {
      save({ ...record, purged: true });
      files.strip(record.id);
    }
  }

  function startWaiting(): void {
    const waiting = all().filter(isPending);
    if (waiting.length === 0) return;
    const verdicts = schedule(queueOf(waiting));
    for (const record of waiting) {
      const verdict = verdicts.get(Number(record.id));
      if (verdict?.start) start(record, verdict.grants[0]?.cpus ?? 1, verdict.grants[0]?.gpus ?? []);
      else if (verdict && verdict.reason !== record.reason) save({ ...record, reason: verdict.reason });
    }
  }

  function queueOf(waiting: readonly PendingRecord[]): Queue {
    return {
      nodes: [place.node],
      partitions: [place.partition],
      waiting: waiting.map((record) => ({ ...twin(record), request: directivesOf(record.id).request })),
      placed: all()
        .filter(isStarted)
        .map((record) => ({
          ...twin(record),
          completing: record.cancelled,
          grants: [{ node: place.node.name, cpus: record.cpus, gpus: record.gpus }],
        })),
    };
  }

  /** A crash between the two leaves a record without a keeper, which `follow` then gives one. */
  function start(record: PendingRecord, cpus: number, gpus: readonly number[]): void {
    const { reason: _, ...head } = record;
    const started = { ...head, phase: 'started', startMs: clock.now(), cpus, gpus, cancelled: false } as const;
    save(started);
    keep(started);
  }

  function keep(record: StartedRecord): void {
    const workFolder = files.workFolder(record.id);
    const wanted = directivesOf(record.id);
    keptMs.set(record.id, clock.now());
    startKeeper({
      program: place.keeperProgram,
      folder: files.folder(record.id),
      workFolder,
      token: record.token,
      environment: jobEnvironment(record, { ...place, nodeName: place.node.name, workFolder }),
      directives: wanted,
      killWaitMs: place.killWaitMs,
      output: openOutput(outputOf(record), wanted.appendOutput),
      onExit,
    });
  }

  function end(record: JobRecord): void {
    if (isPending(record)) {
      const { phase: _, ...head } = record;
      save({ ...head, phase: 'ended', endMs: clock.now(), state: 'CANCELLED', exitCode: 0, signal: 0, purged: false });
    } else if (isStarted(record) && !record.cancelled) {
      const cancelled = { ...record, cancelled: true };
      save(cancelled);
      follow(cancelled);
    }
  }

  function add(record: PendingRecord, script: string): void {
    files.add(record, script);
    jobs.set(record.id, record);
  }

  function capOutputs(): void {
    for (const record of all().filter(isStarted)) capOutput(outputOf(record), place.maxLogBytes);
  }

  function outputOf(record: JobRecord): string {
    return outputPath(directivesOf(record.id), record, {
      folder: files.workFolder(record.id),
      nodeName: place.node.name,
    });
  }

  function directivesOf(id: string): Directives {
    const known = directives.get(id);
    if (known) return known;
    const read = readDirectives(files.script(id));
    if (!read.ok) throw new Error(`script of job ${id}: ${read.error}`);
    directives.set(id, read.value);
    return read.value;
  }

  function save(record: JobRecord): void {
    files.save(record);
    jobs.set(record.id, record);
  }

  return { all, add, end, refresh, capOutputs };
}

function twin({ id, name, user }: JobRecord): { order: number; name: string; user: string } {
  return { order: Number(id), name, user };
}
