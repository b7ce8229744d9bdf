/**
 * Who a job belongs to, carried by the job itself: state is rebuilt from Slurm alone.
 * Name: `vllm.<namespace>.<name>.r<replica>.a<attempt>`; namespace and name hold no dots, so it reads back one way only.
 * Comment: `vso1 uid=… gen=… hash=… nonce=… owner=…`, then what the job reports of itself behind a `|`.
 */
export type Identity = {
  readonly namespace: string;
  readonly name: string;
  readonly replica: number;
  readonly attempt: number;
  /** Of the resource: a resource made anew under an old name is another one. */
  readonly uid: string;
  readonly generation: number;
  readonly specHash: string;
  /** New for every submission: tells a resubmitted attempt from a job whose id was reused. */
  readonly nonce: string;
  /** The store whose controller submitted it: another operator's jobs are never orphans of ours. */
  readonly owner: string;
};

/** What `serve.sh` says of itself through the job's comment. Checked before it is believed. */
export type JobReport = {
  readonly phase?: JobReportPhase;
  /** Slurm's name of the node that serves. */
  readonly node?: string;
  readonly port?: number;
  /** Seconds from start to ready. */
  readonly afterSeconds?: number;
  /** The failure class word of the exit code table in `config/launch/serve.sh`. */
  readonly failureClass?: string;
  readonly code?: number;
  readonly why?: string;
  /** Files of weights read so far, while loading. */
  readonly shards?: { readonly done: number; readonly total: number };
};
export const JOB_REPORT_PHASES = [
  'starting',
  /** The nodes of a replica wait for one another. */
  'rendezvous',
  'loading',
  'compiling',
  /** Everything is loaded, and nothing was answered yet. */
  'warming',
  'ready',
  'draining',
  'ended',
  'failed',
] as const;
export type JobReportPhase = (typeof JOB_REPORT_PHASES)[number];

const NAME = /^vllm\.([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)\.([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)\.r(\d{1,4})\.a(\d{1,9})$/;
const MARKER =
  /^vso1 uid=([-a-zA-Z0-9]{1,64}) gen=(\d{1,12}) hash=([0-9a-f]{1,64}) nonce=([0-9a-z]{1,32}) owner=([-a-zA-Z0-9]{1,64})$/;

export const JOB_NAME_PREFIX = 'vllm.';

export function jobName(of: Pick<Identity, 'namespace' | 'name' | 'replica' | 'attempt'>): string {
  return `${JOB_NAME_PREFIX}${of.namespace}.${of.name}.r${of.replica}.a${of.attempt}`;
}

/** The part of the comment that names the job's owner; what the job reports comes behind it. */
export function marker(of: Identity): string {
  return `vso1 uid=${of.uid} gen=${of.generation} hash=${of.specHash} nonce=${of.nonce} owner=${of.owner}`;
}

export function readJobName(text: string): Pick<Identity, 'namespace' | 'name' | 'replica' | 'attempt'> | undefined {
  const match = NAME.exec(text);
  if (!match) return undefined;
  const [, namespace = '', name = '', replica = '', attempt = ''] = match;
  return { namespace, name, replica: Number(replica), attempt: Number(attempt) };
}

/** @returns undefined for a job that is not ours, however much its name looks like one. */
export function readIdentity(job: { readonly name: string; readonly comment: string }): Identity | undefined {
  const name = readJobName(job.name);
  const mark = MARKER.exec(job.comment.split('|', 1)[0] ?? '');
  if (!name || !mark) return undefined;
  const [, uid = '', generation = '', specHash = '', nonce = '', owner = ''] = mark;
  return {
    ...name,
    uid,
    generation: Number(generation),
    specHash,
    nonce,
    owner,
  };
}

/** Unknown keys and malformed values are passed over: the job is not trusted, only listened to. */
export function readReport(comment: string): JobReport {
  const words = new Map(
    comment
      .split('|')
      .slice(1)
      .map((pair) => {
        const at = pair.indexOf('=');
        return at < 0 ? ([pair, ''] as const) : ([pair.slice(0, at), pair.slice(at + 1)] as const);
      }),
  );
  const phase = JOB_REPORT_PHASES.find((known) => known === words.get('phase'));
  const port = wholeNumber(words.get('port'));
  const after = wholeNumber(words.get('after'));
  const code = wholeNumber(words.get('code'));
  const shards = /^(\d{1,6})\/(\d{1,6})$/.exec(words.get('shards') ?? '');
  return {
    ...(phase && { phase }),
    ...(words.get('node') && { node: words.get('node') as string }),
    ...(port !== undefined && port > 0 && port < 65_536 && { port }),
    ...(after !== undefined && { afterSeconds: after }),
    ...(words.get('class') && { failureClass: words.get('class') as string }),
    ...(code !== undefined && { code }),
    ...(words.get('why') && { why: words.get('why') as string }),
    ...(shards && { shards: { done: Number(shards[1]), total: Number(shards[2]) } }),
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
