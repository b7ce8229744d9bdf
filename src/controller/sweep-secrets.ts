import type { Resource } from '../api/resource.ts';
import { recordsOf } from '../decide/records.ts';
import { readSecretFileName, type SecretFileOf } from '../launch/secrets.ts';
import type { Deps } from './deps.ts';
import type { Fleet } from './snapshot.ts';

/**
 * Removes the secret files of attempts that are over. A file is listed before its resource is read, and an attempt is
 * claimed before its file is placed: whatever is on record then is at least as new as the file.
 * @param fleet a complete listing that is believed
 */
export async function sweepSecrets(fleet: Fleet, { store, secretFiles, log, seat }: Deps): Promise<void> {
  const names = await secretFiles.names();
  if (!names.ok) {
    log.warn({ error: names.error }, 'secret files cannot be swept');
    return;
  }
  const jobs = [...fleet.jobs.values()].flat().filter((job) => job.phase !== 'ended');
  const living = new Set(jobs.map(({ identity }) => attemptKey(identity)));
  for (const file of names.value) {
    const of = readSecretFileName(file);
    if (!of || living.has(attemptKey(of))) continue;
    const got = await store.get(of);
    if (!got.ok) continue;
    // Of a deployment that has moved every file here is an old one: no two clusters share a directory.
    const resource = got.value && (seat?.mayHaveJobs(got.value) ?? true) ? got.value : undefined;
    if (isAwaited(of, resource, fleet.askedAtMs)) continue;
    const removed = await secretFiles.remove(file);
    if (!removed.ok)
      log.warn({ file, error: removed.error }, 'a secret file of an attempt that is over is still there');
  }
}

const attemptKey = ({ uid, replica, attempt }: SecretFileOf): string => `${uid}/${replica}/${attempt}`;

/** The attempt is not judged, or what the listing lacks may still land. */
function isAwaited(of: SecretFileOf, resource: Resource | undefined, askedAtMs: number): boolean {
  if (resource?.uid !== of.uid) return false;
  const record = recordsOf(resource.status).find(({ replica }) => replica === of.replica);
  if (!record || of.attempt > record.settledAttempt) return true;
  return [record.submitTime, record.doubtUntil].some((time) => askedAtMs <= (Date.parse(time ?? '') || 0));
}
