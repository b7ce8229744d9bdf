import { appendFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Key } from '../api/key.ts';
import type { DeploymentEvent, EventSink } from '../controller/events.ts';

/**
 * Events of a standalone operator: one file of JSON lines a deployment, `DIR/.events/NAMESPACE.NAME.jsonl`. A torn
 * last line, after a crash or on a full disk, is passed over by the reader; nothing is decided from events.
 */
export function createEventFiles(directory: string, onError: (message: string) => void): EventSink {
  return {
    async record(resource, events) {
      const file = eventFile(directory, resource.key);
      try {
        await mkdir(join(directory, FOLDER), { recursive: true });
        await shorten(file);
        await appendFile(file, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
      } catch (error) {
        onError(
          `events of ${resource.key.name} could not be written: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    },
  };
}

/** @returns the newest last; empty when there are none */
export async function readEvents(directory: string, key: Key): Promise<readonly DeploymentEvent[]> {
  const text = await readFile(eventFile(directory, key), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => parseLine(line));
}

export async function removeEvents(directory: string, key: Key): Promise<void> {
  await rm(eventFile(directory, key), { force: true });
}

const FOLDER = '.events';
const LONGEST_BYTES = 64 * 1024;
const Line = z.object({
  time: z.string(),
  type: z.enum(['Normal', 'Warning']),
  reason: z.string(),
  message: z.string(),
});

const eventFile = (directory: string, { namespace, name }: Key): string =>
  join(directory, FOLDER, `${namespace}.${name}.jsonl`);

/** Keeps the newer half of a file that has grown too long. */
async function shorten(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size < LONGEST_BYTES) return;
  const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean);
  await writeFile(
    `${file}.new`,
    lines
      .slice(Math.floor(lines.length / 2))
      .map((line) => `${line}\n`)
      .join(''),
  );
  await rename(`${file}.new`, file);
}

function parseLine(line: string): readonly DeploymentEvent[] {
  if (line === '') return [];
  try {
    const parsed = Line.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}
