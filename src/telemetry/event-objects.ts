import { createHash } from 'node:crypto';
import { API_VERSION, GROUP, KIND, type Resource } from '../api/resource.ts';
import type { Clock } from '../clock.ts';
import type { DeploymentEvent, EventSink } from '../controller/events.ts';
import { type ApiError, FIELD_MANAGER, isConflict, isNotFound, type KubernetesApi } from '../kubernetes/api.ts';
import { microTime } from '../kubernetes/micro-time.ts';

export type EventObjectsOptions = {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  /** Of this process, such as the pod's name. */
  readonly instance: string;
  onError(message: string): void;
};

/** The same event of the same resource within so long is one object, with a count; as in client-go. */
const SERIES_MS = 6 * 60_000;
/** Waiting to be sent; what comes on top is dropped, for a server that is away. */
const MOST_WAITING = 1_000;
/** Events of one resource: so many at once, then one each so long. A resource in trouble must not fill etcd. */
const BURST = 25;
const REFILL_MS = 60_000;
/** Of the API: `note` at most so many bytes. */
const LONGEST_NOTE_BYTES = 1024;

type Series = { readonly name: string; count: number; lastMs: number };
type Allowance = { left: number; atMs: number };

/**
 * `events.k8s.io/v1` Events. Sent one after the other behind the turn's back: a turn never waits for them, and a lost
 * one loses no state.
 */
export function createEventObjects({ api, clock, instance, onError }: EventObjectsOptions): EventSink & {
  /** Sends what waits, for at most a few seconds. */
  close(): Promise<void>;
} {
  const series = new Map<string, Series>();
  const allowances = new Map<string, Allowance>();
  const waiting: { readonly resource: Resource; readonly event: DeploymentEvent }[] = [];
  let sending: Promise<void> | undefined;
  let failing = false;

  async function send(): Promise<void> {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      forgetOld();
      const error = await put(next.resource, next.event);
      if (error && !failing) onError(`events are lost while the API server does not take them: ${error.message}`);
      failing = error !== undefined;
    }
  }

  function begin(): void {
    if (waiting.length === 0) return;
    sending ??= send().finally(() => {
      sending = undefined;
      begin();
    });
  }

  async function put(resource: Resource, event: DeploymentEvent): Promise<ApiError | undefined> {
    const print = fingerprint(resource, event);
    const known = series.get(print);
    const atMs = Date.parse(event.time);
    if (known) {
      known.count += 1;
      known.lastMs = clock.now();
      const error = await repeat(resource, known, atMs);
      // It lives an hour by the server's settings, or somebody removed it: then it is a new one.
      if (!error || !isNotFound(error)) return error;
      series.delete(print);
    }
    if (!allowed(resource.uid)) return undefined;
    const name = `${resource.key.name}.${print.slice(0, 8)}${clock.now().toString(16)}`;
    const error = await create(resource, event, name);
    if (!error || isConflict(error)) series.set(print, { name, count: 1, lastMs: clock.now() });
    return error && isConflict(error) ? undefined : error;
  }

  async function create(resource: Resource, event: DeploymentEvent, name: string): Promise<ApiError | undefined> {
    const { namespace } = resource.key;
    const answer = await api.request({
      method: 'POST',
      path: collection(namespace),
      query: { fieldManager: FIELD_MANAGER },
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name, namespace },
        eventTime: microTime(Date.parse(event.time)),
        reportingController: `${GROUP}/operator`,
        reportingInstance: instance.slice(0, 128),
        action: 'Reconcile',
        reason: event.reason.slice(0, 128),
        type: event.type,
        note: withinBytes(event.message, LONGEST_NOTE_BYTES),
        // With the uid, or `kubectl describe` does not find it.
        regarding: { apiVersion: API_VERSION, kind: KIND, ...resource.key, uid: resource.uid },
      },
    });
    return answer.ok ? undefined : answer.error;
  }

  async function repeat({ key }: Resource, { name, count }: Series, atMs: number): Promise<ApiError | undefined> {
    const answer = await api.request({
      method: 'PATCH',
      path: `${collection(key.namespace)}/${name}`,
      query: { fieldManager: FIELD_MANAGER },
      body: { series: { count, lastObservedTime: microTime(atMs) } },
    });
    return answer.ok ? undefined : answer.error;
  }

  function allowed(uid: string): boolean {
    const now = clock.now();
    const before = allowances.get(uid) ?? { left: BURST, atMs: now };
    const refilled = Math.floor((now - before.atMs) / REFILL_MS);
    const left = Math.min(BURST, before.left + refilled);
    const atMs = left === BURST ? now : before.atMs + refilled * REFILL_MS;
    allowances.set(uid, { left: Math.max(0, left - 1), atMs });
    return left > 0;
  }

  function forgetOld(): void {
    const now = clock.now();
    for (const [print, { lastMs }] of series) if (now - lastMs > SERIES_MS) series.delete(print);
    for (const [uid, { atMs }] of allowances) if (now - atMs > BURST * REFILL_MS) allowances.delete(uid);
  }

  return {
    async record(resource, events) {
      const room = Math.max(0, MOST_WAITING - waiting.length);
      waiting.push(...events.slice(0, room).map((event) => ({ resource, event })));
      begin();
    },
    async close() {
      let withdraw = (): void => undefined;
      const patience = new Promise<void>((resolve) => {
        withdraw = clock.after(2_000, resolve);
      });
      await Promise.race([sending, patience]);
      withdraw();
      waiting.length = 0;
    },
  };
}

const collection = (namespace: string): string =>
  `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;

function fingerprint({ uid }: Resource, { type, reason, message }: DeploymentEvent): string {
  return createHash('sha256')
    .update(JSON.stringify([uid, type, reason, message]))
    .digest('hex');
}

function withinBytes(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  // Half a character at the end reads as U+FFFD: it goes, too.
  const cut = Buffer.from(text)
    .subarray(0, most - 3)
    .toString('utf8')
    .replace(/\uFFFD$/, '');
  return `${cut}…`;
}
