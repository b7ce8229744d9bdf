import type { Clock } from '../clock.ts';

/**
 * Names waiting for their turn. A name is worked on by one turn at a time and stands in the queue once; a wake
 * during its turn means one more turn. A turn that throws comes again after a growing wait.
 */
export type Queue = {
  wake(name: string): void;
  /** Nothing waits, nothing runs; timers may be set. */
  idle(): boolean;
  /** No further turns; resolves when those under way have ended. */
  close(): Promise<void>;
};

/** Hears how busy the queue is. */
export type QueueMeter = {
  /** One more waits. @param waiting how many do now */
  added(waiting: number): void;
  /** One begins. @param waitedMs since it was put in line */
  taken(waiting: number, waitedMs: number): void;
  /** In the words of controller-runtime; a turn that comes again by itself is `requeue_after`. */
  turned(result: 'success' | 'requeue_after' | 'error', tookMs: number): void;
  /** How often SLURM may be asked now, and how many calls wait for that. */
  paced(perSecond: number, waiting: number): void;
};

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

export function createQueue(options: {
  readonly clock: Clock;
  readonly atOnce: number;
  /** @returns ms until the next turn although nobody wakes it; undefined: none */
  turn(name: string): Promise<number | undefined>;
  onError(name: string, error: unknown): void;
  readonly meter?: QueueMeter;
}): Queue {
  const { clock, atOnce, turn, onError, meter } = options;
  /** With the time since when each waits. */
  const ready = new Map<string, number>();
  const running = new Map<string, { again: boolean }>();
  const timers = new Map<string, () => void>();
  const failures = new Map<string, number>();
  let closed = false;
  let drained = () => {};
  const whenDrained = new Promise<void>((resolve) => {
    drained = resolve;
  });

  function wake(name: string): void {
    if (closed) return;
    const now = running.get(name);
    if (now) now.again = true;
    else line(name);
    pump();
  }

  function line(name: string): void {
    if (ready.has(name)) return;
    ready.set(name, clock.now());
    meter?.added(ready.size);
  }

  function pump(): void {
    while (!closed && running.size < atOnce) {
      const [next] = ready;
      if (next === undefined) return;
      const [name, sinceMs] = next;
      ready.delete(name);
      withdraw(name);
      running.set(name, { again: false });
      meter?.taken(ready.size, clock.now() - sinceMs);
      void run(name);
    }
  }

  async function run(name: string): Promise<void> {
    const beganMs = clock.now();
    let waitMs: number | undefined;
    try {
      waitMs = await turn(name);
      failures.delete(name);
      meter?.turned(waitMs === undefined ? 'success' : 'requeue_after', clock.now() - beganMs);
    } catch (error) {
      meter?.turned('error', clock.now() - beganMs);
      const count = failures.get(name) ?? 0;
      failures.set(name, count + 1);
      waitMs = Math.min(FIRST_WAIT_MS * 2 ** count, LONGEST_WAIT_MS);
      onError(name, error);
    }
    const again = running.get(name)?.again ?? false;
    running.delete(name);
    if (closed) {
      if (running.size === 0) drained();
      return;
    }
    if (again || waitMs === 0) line(name);
    else if (waitMs !== undefined)
      timers.set(
        name,
        clock.after(waitMs, () => wake(name)),
      );
    pump();
  }

  function withdraw(name: string): void {
    timers.get(name)?.();
    timers.delete(name);
  }

  return {
    wake,
    idle: () => ready.size === 0 && running.size === 0,
    close() {
      closed = true;
      ready.clear();
      for (const name of [...timers.keys()]) withdraw(name);
      if (running.size === 0) drained();
      return whenDrained;
    },
  };
}
