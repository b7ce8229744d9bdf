import { z } from 'zod';
import { type Clock, steadyClock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import { JOB_NAME_PREFIX } from '../identity.ts';
import type { Job, JobEnding, JobRef } from '../job.ts';
import type { Credentials, Listing, Notices, Slurm, SlurmError, Submission } from '../slurm.ts';
import { numberOf, readAnswer } from './answer.ts';
import { createHttp, type HttpAnswer, type HttpRequest, type RestServer } from './http.ts';
import { AccountedJob, JobRecord, readAccounted, readEnding, readJob } from './job-record.ts';
import { Envelope, parsed, Quantity, Text } from './json.ts';
import { NodeRecord, Release, readEquipped, readNode } from './nodes.ts';
import { submissionBody } from './submission.ts';
import type { Token } from './token.ts';
import { type ApiVersion, negotiate } from './versions.ts';

export type SlurmRestOptions = {
  readonly cluster: string;
  readonly clock: Clock;
  readonly server: RestServer;
  /** Read before each call; undefined where slurmrestd knows us by its socket (`rest_auth/local`). */
  readonly token?: () => Promise<Result<Token, string>>;
  /** Whose jobs they are, where there is no token. */
  readonly user?: string;
  /** Jobs are submitted as other users, too: the listing has everybody's of our names. */
  readonly severalUsers?: boolean;
  /** For each call, ms; more than slurmrestd's own patience with a controller that is away, 10 s. */
  readonly timeoutMs?: number;
  /** For each answer. The default holds 30,000 jobs of everybody's. */
  readonly maxOutputBytes?: number;
};

/** Slurm's errors for a job that is not there, or not any more. Source: slurm_errno.h. */
const NO_SUCH_JOB = 2017;
const ALREADY_OVER = 2021;
/** 22.05 calls an empty answer an error. */
const NOTHING_FOUND = 9003;
const DESCRIBED_AT_ONCE = 4;
const NAMES_A_CALL = 50;
/** The database's clock is not ours. */
const CLOCK_MARGIN_SECONDS = 300;
/** Of a refusal where no accounting is kept; any other is a question of ours that was not understood. */
const NO_ACCOUNTING = /slurmdbd|accounting/i;
const NOTHING_NEW = /no job changes since/i;
/** 24.11 and later warn of a queue that is empty. One of theirs that was not asked for has no `last_update`. */
const NOTHING_THERE = /^zero jobs to dump$/i;

const Jobs = z.looseObject({ jobs: z.array(JobRecord) });
/** Of everybody's jobs only ours are read. */
const Listed = Envelope.extend({ jobs: z.array(z.unknown()), last_update: Quantity });
const Owned = z.object({ user_name: Text, name: Text });
const Accounted = z.looseObject({ jobs: z.array(AccountedJob) });
const Nodes = z.looseObject({ nodes: z.array(NodeRecord), meta: Release });
const Submitted = z.looseObject({ job_id: z.number() });
const Cancelled = z.looseObject({
  status: z
    .array(z.looseObject({ error: z.looseObject({ code: z.number(), string: z.string().optional() }) }))
    .nullish(),
});

/** The `Slurm` port over slurmrestd, v0.0.38 (22.05) and v0.0.40 to v0.0.45 (23.11 to 26.05). */
export function createSlurmRest(options: SlurmRestOptions): Slurm {
  const { cluster, clock, server, severalUsers = false, timeoutMs = 30_000 } = options;
  const { maxOutputBytes = 256 * 1024 * 1024 } = options;
  const http = createHttp({ server, clock, timeoutMs, maxOutputBytes });
  let version: ApiVersion | undefined;
  let token: Token | undefined;
  /** The last listing, for as long as slurmrestd says that nothing changed since. */
  let known: Known | undefined;

  /** One call of the port has one deadline, however much it has to ask: what it sends late would land late. */
  const deadline = (): number => steadyClock.now() + timeoutMs;

  async function send(
    request: Omit<HttpRequest, 'headers'>,
    byMs: number,
    as: Credentials | undefined,
  ): Promise<Result<{ readonly answer: HttpAnswer; readonly user: string }, SlurmError>> {
    const known = as ? ok(as) : await ourselves();
    if (!known.ok) return known;
    const { user, token: value } = known.value;
    const headers = value === undefined ? {} : { 'x-slurm-user-name': user, 'x-slurm-user-token': value };
    const leftMs = byMs - steadyClock.now();
    if (leftMs <= 0) return err({ kind: 'unreachable', message: 'what had to be known before took all its time' });
    const answer = await http.send({ ...request, headers }, leftMs);
    return answer.ok ? ok({ answer: answer.value, user }) : answer;
  }

  async function ourselves(): Promise<Result<{ readonly user: string; readonly token?: string }, SlurmError>> {
    const read = await options.token?.();
    if (read && !read.ok) return err({ kind: 'unreachable', message: read.error });
    token = read?.value;
    return ok(token ? { user: token.user, token: token.value } : { user: options.user ?? '' });
  }

  /** Asked once, and again after an answer that says the version is not served any more. */
  async function spoken(byMs: number): Promise<Result<ApiVersion, SlurmError>> {
    if (version) return ok(version);
    const sent = await send({ method: 'GET', path: '/openapi/v3' }, byMs, undefined);
    if (!sent.ok) return sent;
    const { status, text } = sent.value.answer;
    if (status === 401) return readAnswer(sent.value.answer, z.never());
    const agreed = negotiate(text);
    if (!agreed.ok) return err({ kind: 'unreachable', message: agreed.error });
    version = agreed.value;
    return ok(version);
  }

  async function call(
    method: HttpRequest['method'],
    path: (api: ApiVersion) => string,
    {
      body,
      byMs = deadline(),
      as,
    }: { readonly body?: string; readonly byMs?: number; readonly as?: Credentials | undefined } = {},
  ): Promise<Result<{ readonly answer: HttpAnswer; readonly user: string; readonly api: ApiVersion }, SlurmError>> {
    const api = await spoken(byMs);
    if (!api.ok) return api;
    const sent = await send({ method, path: path(api.value), ...(body !== undefined && { body }) }, byMs, as);
    if (!sent.ok) return sent;
    if (sent.value.answer.status === 404 && !sent.value.answer.text.includes('"errors"')) {
      version = undefined; // another slurmrestd than before
      return err({ kind: 'unreachable', message: `slurmrestd serves ${api.value.name} no longer` });
    }
    return ok({ ...sent.value, api: api.value });
  }

  async function jobRecord(ref: JobRef, as?: Credentials): Promise<Result<JobRecord | undefined, SlurmError>> {
    const sent = await call('GET', ({ name }) => `/slurm/${name}/job/${ref.id}`, { as });
    if (!sent.ok) return sent;
    const { answer } = sent.value;
    const read = readAnswer(answer, Jobs);
    if (!read.ok) return saysNumber(answer, NO_SUCH_JOB) ? ok(undefined) : read;
    const record = read.value.jobs.find((one) => String(one.job_id) === ref.id);
    return ok(record && isNamed(ref, record) ? record : undefined);
  }

  async function endingOf(ref: JobRef): Promise<Result<JobEnding | undefined, SlurmError>> {
    const found = await jobRecord(ref);
    return found.ok ? ok(found.value && readEnding(found.value)) : found;
  }

  async function nodeRecords(): Promise<Result<z.output<typeof Nodes>, SlurmError>> {
    const sent = await call('GET', ({ name, tellsLastUpdate }) => `/slurm/${name}/nodes${tellsLastUpdate ? '/' : ''}`);
    return sent.ok ? readAnswer(sent.value.answer, Nodes) : sent;
  }

  async function list(as?: Credentials): Promise<Result<Listing, SlurmError>> {
    const askedAtMs = clock.now();
    const since = !as && known && askedAtMs - known.readAtMs < BELIEVED_MS ? known : undefined;
    const sent = await call(
      'GET',
      ({ name, tellsLastUpdate }) =>
        `/slurm/${name}/jobs${tellsLastUpdate ? '/' : ''}${since ? `?update_time=${since.updatedAt}` : ''}`,
      { as },
    );
    if (!sent.ok) return sent;
    const { answer, user, api } = sent.value;
    const bytes = Buffer.byteLength(answer.text);
    const notices = noticesFor(api);
    const credentialsEndMs = token?.expiresAtMs;
    const listing = (all: readonly Job[]): Listing => ({
      jobs: all,
      askedAtMs,
      bytes,
      ...(severalUsers && { user }),
      ...(credentialsEndMs !== undefined && { credentialsEndMs }),
      ...(notices && { notices }),
    });
    const read = readAnswer(answer, Listed);
    if (!read.ok) return read;
    const { jobs: records, warnings, last_update } = read.value;
    if (warnings.some(({ description }) => NOTHING_NEW.test(description))) {
      // Another token may be another user's by now.
      if (since?.user === user) return ok(listing(since.jobs));
      known = undefined;
      return err(doubtful('nothing changed since nothing was known'));
    }
    const odd = warnings.filter(({ description }) => !(last_update && NOTHING_THERE.test(description)));
    if (odd.length > 0 && records.length === 0)
      return err(doubtful(odd.map(({ description }) => description).join('; ')));
    const jobs: Job[] = [];
    for (const record of records) {
      const whose = Owned.safeParse(record);
      if (!whose.success) return err(doubtful('it lists a job without a name or a user'));
      const { user_name, name } = whose.data;
      if (!(severalUsers || user_name === user) || !name.startsWith(JOB_NAME_PREFIX)) continue;
      const own = JobRecord.safeParse(record);
      const job = own.success ? readJob(own.data) : undefined;
      if (!job) return err(doubtful(`what it says of job ${name} is not understood`));
      jobs.push(job);
    }
    if (!as)
      known =
        api.tellsLastUpdate && last_update ? { jobs, user, updatedAt: last_update, readAtMs: askedAtMs } : undefined;
    return ok(listing(jobs));
  }

  function noticesFor(api: ApiVersion): Notices | undefined {
    const { expiresAtMs, noticedFromMs = Number.POSITIVE_INFINITY } = token ?? {};
    const endsSoon = expiresAtMs !== undefined && clock.now() >= noticedFromMs;
    if (!endsSoon && api.submission === 'structured') return undefined;
    return {
      ...(endsSoon && { credentialsEndMs: expiresAtMs }),
      ...(api.submission === 'flat' && { cannotWarn: true }),
    };
  }

  async function submit(submission: Submission, as: Credentials | undefined): Promise<Result<string, SlurmError>> {
    if (!isPlainName(submission.name)) return err({ kind: 'rejected', message: `not a job name: ${submission.name}` });
    const byMs = deadline();
    const api = await spoken(byMs);
    if (!api.ok) return api.error.kind === 'unknown' ? err({ ...api.error, kind: 'unreachable' }) : api;
    const body = submissionBody(submission, api.value);
    if (!body.ok) return err({ kind: 'rejected', message: body.error });
    const sent = await call('POST', ({ name }) => `/slurm/${name}/job/submit`, { body: body.value, byMs, as });
    if (!sent.ok) return sent;
    const { answer } = sent.value;
    const id = Submitted.safeParse(parsed(answer.text));
    // A number and an error beside it: it is there, and waits for what the error says. The queue tells that too.
    if (answer.status === 200 && id.success && id.data.job_id > 0) {
      const ignored = ignoredIn(answer);
      if (ignored === undefined) return ok(String(id.data.job_id));
      const undone = await call('DELETE', ({ name }) => `/slurm/${name}/job/${id.data.job_id}`, { as });
      const gone = undone.ok && readAnswer(undone.value.answer, Cancelled).ok;
      return err({
        kind: gone ? 'rejected' : 'unknown',
        message: `slurmrestd ignored a part of the job, which ${gone ? 'was' : 'could not be'} cancelled: ${ignored}`,
      });
    }
    const read = readAnswer(answer, Submitted);
    return read.ok ? err(doubtful('it named no job')) : read;
  }

  return {
    cluster,
    listJobs: () => list(),
    ...(severalUsers && {
      listJobsAs: async (as: Credentials) => told(await list(as), as),
    }),

    async describe(refs) {
      const ours = refs.filter(isOurs);
      const endings: JobEnding[] = [];
      for (let at = 0; at < ours.length; at += DESCRIBED_AT_ONCE) {
        for (const found of await Promise.all(ours.slice(at, at + DESCRIBED_AT_ONCE).map(endingOf))) {
          if (!found.ok) return found;
          if (found.value) endings.push(found.value);
        }
      }
      return ok(endings);
    },

    async history(names, sinceMs) {
      const ours = names.filter(isOurName);
      const endings: JobEnding[] = [];
      // Seconds before now, in Slurm's own notation: no clock but its own counts, and 22.05 takes no plain number.
      const agoSeconds = Math.max(0, Math.ceil((clock.now() - sinceMs) / 1000)) + CLOCK_MARGIN_SECONDS;
      for (let at = 0; at < ours.length; at += NAMES_A_CALL) {
        const asked = ours.slice(at, at + NAMES_A_CALL);
        const query = `job_name=${encodeURIComponent(asked.join(','))}&start_time=now-${agoSeconds}seconds`;
        const sent = await call(
          'GET',
          ({ name, tellsLastUpdate }) => `/slurmdb/${name}/jobs${tellsLastUpdate ? '/' : ''}?${query}`,
        );
        if (!sent.ok) return sent;
        const read = readAnswer(sent.value.answer, Accounted);
        if (!read.ok && saysNumber(sent.value.answer, NOTHING_FOUND)) continue;
        if (!read.ok)
          return read.error.kind === 'rejected' && !NO_ACCOUNTING.test(read.error.message)
            ? err({ ...read.error, kind: 'unknown' })
            : read;
        for (const job of read.value.jobs.filter(({ name }) => asked.includes(name))) {
          const ending = readAccounted(job);
          if (ending === 'unread') return err(doubtful(`what accounting says of job ${job.job_id} is not understood`));
          if (ending && ending.submitMs + 999 >= sinceMs) endings.push(ending);
        }
      }
      return ok(endings);
    },

    async submit({ as, ...submission }) {
      return told(await submit(submission, as), as);
    },

    async cancel({ as, ...ref }) {
      if (!isOurs(ref)) return ok(undefined);
      // There is no filter by name: it is read first, and left alone if it is another one by now.
      const found = await jobRecord(ref, as);
      if (!found.ok || !found.value) return found.ok ? ok(undefined) : found;
      const sent = await call('DELETE', ({ name }) => `/slurm/${name}/job/${ref.id}`, { as });
      if (!sent.ok) return sent;
      const { answer } = sent.value;
      if ([NO_SUCH_JOB, ALREADY_OVER].some((number) => saysNumber(answer, number))) return ok(undefined);
      const read = readAnswer(answer, Cancelled);
      if (!read.ok) return read;
      const failed = read.value.status?.find(({ error }) => ![0, NO_SUCH_JOB, ALREADY_OVER].includes(error.code));
      return failed
        ? err({ kind: 'unknown', message: failed.error.string ?? `error ${failed.error.code}` })
        : ok(undefined);
    },

    async nodes() {
      const read = await nodeRecords();
      return read.ok ? ok(read.value.nodes.map(readNode)) : read;
    },

    async inventory() {
      const read = await nodeRecords();
      if (!read.ok) return read;
      const { nodes, meta: version } = read.value;
      return ok({ nodes: nodes.map(readEquipped), ...(version !== undefined && { version }) });
    },

    close: http.close,
  };
}

type Known = {
  readonly jobs: readonly Job[];
  readonly user: string;
  /** By the controller's clock, epoch, seconds. */
  readonly updatedAt: number;
  readonly readAtMs: number;
};

/** A controller whose clock is set back would see no change for as long. */
const BELIEVED_MS = 120_000;

/** Whose token it was, or whose account and limit, nobody else could tell. */
const told = <T>(answer: Result<T, SlurmError>, as: Credentials | undefined): Result<T, SlurmError> =>
  answer.ok || !as ? answer : err({ ...answer.error, message: `as ${as.user}: ${answer.error.message}` });

const doubtful = (why: string): SlurmError => ({
  kind: 'unknown',
  message: `slurmrestd's answer is not believed: ${why}`,
});

/** Nothing in them needs escaping in a URL. */
const isPlainName = (name: string): boolean => /^[A-Za-z0-9_.-]+$/.test(name);
const isOurName = (name: string): boolean => name.startsWith(JOB_NAME_PREFIX) && isPlainName(name);
const isNamed = ({ name, user, submitMs }: JobRef, record: JobRecord): boolean =>
  record.name === name && record.user_name === user && record.submit_time === submitMs;
const isOurs = (ref: JobRef): boolean => /^\d+$/.test(ref.id) && isOurName(ref.name);

function saysNumber(answer: HttpAnswer, number: number): boolean {
  const envelope = Envelope.safeParse(parsed(answer.text));
  return envelope.success && envelope.data.errors.some((error) => numberOf(error) === number);
}

/** 24.11 and later submit what they do not understand without it, and only warn. */
function ignoredIn(answer: HttpAnswer): string | undefined {
  const envelope = Envelope.safeParse(parsed(answer.text));
  return envelope.success
    ? envelope.data.warnings.map(({ description }) => description).find((words) => /ignoring/i.test(words))
    : undefined;
}
