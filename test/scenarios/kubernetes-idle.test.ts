import assert from 'node:assert/strict';
import { test } from 'node:test';
import { API_VERSION, KIND } from '../../src/api/resource.ts';
import { Status } from '../../src/api/status.ts';
import { createServices } from '../../src/publish/services.ts';
import { createKubernetesSecrets } from '../../src/secrets/kubernetes.ts';
import { createMemorySecretFiles } from '../../src/secrets/memory.ts';
import { createRandom } from '../../src/slurm/simulated/random.ts';
import { createSimulatedSlurm } from '../../src/slurm/simulated/simulated.ts';
import { objectPath } from '../../src/store/kubernetes/paths.ts';
import { createKubernetesStore } from '../../src/store/kubernetes/store.ts';
import { createEventObjects } from '../../src/telemetry/event-objects.ts';
import { value } from '../contract/store.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { startOperator } from '../gen/operator.ts';
import { createSimulatedProber } from '../gen/simulated-prober.ts';
import { memoryApiServer } from '../kubernetes/api-server.ts';

const MINUTE = 60_000;
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';

test('on an API server a fleet comes up, and nothing is written in an idle hour in which everything is looked at again', async () => {
  const clock = createManualClock();
  const cluster = createSimulatedSlurm({ clock, seed: 1 });
  const server = memoryApiServer(clock);
  const random = createRandom(1);
  const { api } = server;
  const deploy = (name: string, replicas: number): void =>
    server.apply(objectPath({ namespace: 'default', name }), {
      ...{ apiVersion: API_VERSION, kind: KIND, metadata: { namespace: 'default', name } },
      spec: { model: { uri: 'hf://org/model' }, replicas },
    });
  const statusOf = (name: string) => Status.parse(server.get(objectPath({ namespace: 'default', name }))?.status ?? {});
  const silent = (): void => undefined;

  deploy('chat', 3);
  deploy('embed', 1);
  const store = value(await createKubernetesStore({ api, clock, random, log: silent, id: 'cluster' }));
  const troubles: string[] = [];
  const events = createEventObjects({ api, clock, instance: 'one', onError: (message) => void troubles.push(message) });
  const publisher = createServices({ api, clock, resolve: async () => ['10.1.0.1'] });
  const operator = startOperator(
    {
      ...{ clock, random, store, events, slurm: cluster.slurm },
      prober: (its) =>
        createSimulatedProber(its, { answering: cluster.inspect.answering, cut: () => false, answered: silent }),
      secrets: createKubernetesSecrets(api),
      secretFiles: createMemorySecretFiles(),
      settings: { tamper: (deps) => ({ ...deps, publisher }) },
    },
    { onError: (fields) => void troubles.push(JSON.stringify(fields)), onKilled: silent },
  );
  const pass = async (ms: number): Promise<void> => {
    const untilMs = clock.now() + ms;
    while (clock.now() < untilMs) await clock.advance(Math.min(1_000, untilMs - clock.now()));
  };
  for (let seconds = 0; statusOf('chat').readyReplicas !== 3 || statusOf('embed').readyReplicas !== 1; seconds += 1) {
    assert.ok(seconds < 600, JSON.stringify(statusOf('chat')));
    await pass(1_000);
  }
  await pass(2 * MINUTE);

  const seen = (): Readonly<Record<string, number>> => ({
    writes: server.calls('writes').length,
    lists: server.calls('reads').filter((call) => call.endsWith('/vllmdeployments')).length,
    slices: server.calls('reads').filter((call) => call.endsWith(SLICES)).length,
    watches: server.calls('watches').length,
    submissions: cluster.inspect.calls().filter(({ name }) => name === 'submit').length,
    cancels: cluster.inspect.calls().filter(({ name }) => name === 'cancel').length,
  });
  const before = seen();
  await pass(60 * MINUTE);
  const after = seen();
  assert.deepEqual(
    [after.writes, after.submissions, after.cancels],
    [before.writes, 4, 0],
    server.calls('writes').slice(before.writes).join('\n'),
  );
  // Not idle for want of looking.
  for (const [looked, least] of Object.entries({ lists: 6, slices: 10, watches: 9 }))
    assert.ok((after[looked] ?? 0) - (before[looked] ?? 0) >= least, `${looked}: ${JSON.stringify([before, after])}`);
  assert.deepEqual(troubles, []);
  await operator.stop();
  await Promise.all([store.close(), events.close()]);
});
