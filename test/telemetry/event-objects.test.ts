import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeploymentEvent } from '../../src/controller/events.ts';
import type { ApiError, ApiRequest, KubernetesApi } from '../../src/kubernetes/api.ts';
import { err, ok, type Result } from '../../src/result.ts';
import { createEventObjects } from '../../src/telemetry/event-objects.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { resource } from '../gen/observation.ts';

const event = (about: Partial<DeploymentEvent> = {}): DeploymentEvent => ({
  time: '2026-01-01T00:00:00Z',
  type: 'Normal',
  reason: 'Submitted',
  message: 'replica 0 attempt 1 is job 7',
  ...about,
});

function stage(answer: (request: ApiRequest) => Result<unknown, ApiError> = () => ok({})) {
  const requests: ApiRequest[] = [];
  const errors: string[] = [];
  const clock = createManualClock();
  const api: KubernetesApi = {
    async request(request) {
      requests.push(request);
      return answer(request);
    },
    watch: async () => ok(undefined),
    close: async () => undefined,
  };
  const events = createEventObjects({ api, clock, instance: 'pod-1', onError: (message) => void errors.push(message) });
  return { requests, errors, clock, events };
}

test('an event is an object of events.k8s.io that names the resource by its uid', async () => {
  const { requests, clock, events } = stage();
  await events.record(resource(), [event()]);
  await clock.advance(0);
  const [{ method = '', path = '', body = {} } = {}] = requests;
  assert.deepEqual([method, path], ['POST', '/apis/events.k8s.io/v1/namespaces/default/events']);
  const { metadata, ...rest } = body as { readonly metadata: { readonly name: string; readonly namespace: string } };
  const { key, uid } = resource();
  assert.match(metadata.name, new RegExp(`^${key.name}\\.[0-9a-f]{8,}$`));
  assert.deepEqual(rest, {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'vllm-slurm.dev/operator',
    reportingInstance: 'pod-1',
    action: 'Reconcile',
    reason: 'Submitted',
    type: 'Normal',
    note: 'replica 0 attempt 1 is job 7',
    regarding: { apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', ...key, uid },
  });
});

test('the same again is counted in the one there is, and after a while a new one', async () => {
  const { requests, clock, events } = stage();
  for (let times = 0; times < 3; times += 1) {
    await events.record(resource(), [event()]);
    await clock.advance(60_000);
  }
  assert.deepEqual(
    requests.map(({ method, body }) => [
      method,
      (body as { readonly series?: { readonly count: number } }).series?.count,
    ]),
    [
      ['POST', undefined],
      ['PATCH', 2],
      ['PATCH', 3],
    ],
  );
  await clock.advance(600_000);
  await events.record(resource(), [event()]);
  await clock.advance(0);
  assert.equal(requests.at(-1)?.method, 'POST');
});

test('one that the server has forgotten is made anew', async () => {
  const missing = err({ kind: 'refused' as const, code: 404, reason: 'NotFound', message: '', about: 'it' });
  const { requests, clock, events } = stage(({ method }) => (method === 'PATCH' ? missing : ok({})));
  await events.record(resource(), [event(), event()]);
  await clock.advance(0);
  assert.deepEqual(
    requests.map(({ method }) => method),
    ['POST', 'PATCH', 'POST'],
  );
});

test('a resource in trouble fills no etcd: a burst, then one a minute; others are not held up by it', async () => {
  const { requests, clock, events } = stage();
  const many = (from: number) => Array.from({ length: 100 }, (_, at) => event({ message: `news ${from + at}` }));
  await events.record(resource(), many(0));
  await clock.advance(0);
  assert.equal(requests.length, 25);
  await events.record(resource({ uid: 'another' }), [event()]);
  await clock.advance(0);
  assert.equal(requests.length, 26);
  await clock.advance(120_000);
  await events.record(resource(), many(100));
  await clock.advance(0);
  assert.equal(requests.length, 28);
});

test('a server that is away is complained of once, and a turn never waits for it', async () => {
  const { errors, clock, events } = stage(() => err({ kind: 'unreachable', message: 'connect ECONNREFUSED' }));
  await events.record(resource(), [event({ message: 'one' }), event({ message: 'two' })]);
  await clock.advance(0);
  assert.deepEqual(errors, ['events are lost while the API server does not take them: connect ECONNREFUSED']);
});

test('a note is cut to what the API takes, between characters', async () => {
  const { requests, clock, events } = stage();
  await events.record(resource(), [event({ message: '漢'.repeat(1000) })]);
  await clock.advance(0);
  const { note = '' } = (requests[0]?.body ?? {}) as { readonly note?: string };
  assert.ok(Buffer.byteLength(note) <= 1024);
  assert.match(note, /^漢+…$/);
});
