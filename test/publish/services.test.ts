import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Endpoint, Status } from '../../src/api/status.ts';
import type { ApiError, ApiRequest } from '../../src/kubernetes/api.ts';
import { createServices, type ServicesOptions } from '../../src/publish/services.ts';
import { err, ok, type Result } from '../../src/result.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { KEY, NOW, resource, UID } from '../gen/observation.ts';

type Stored = { readonly metadata: Readonly<Record<string, unknown>>; readonly [field: string]: unknown };

/** Objects by path, as far as publishing needs an API server; it fills in what a real one does. */
function fakeApi() {
  const objects = new Map<string, Stored>();
  const requests: string[] = [];
  let versions = 0;
  let broken: ApiError | undefined;
  const refused = (code: number, reason: string): Result<never, ApiError> =>
    err({ kind: 'refused', code, reason, message: `the API server answered ${code} ${reason}`, about: 'it' });

  async function request({ method, path, body }: ApiRequest): Promise<Result<unknown, ApiError>> {
    if (method !== 'GET') requests.push(`${method} ${path.replace(/^.*namespaces\//, '')}`);
    if (broken) return err(broken);
    const found = objects.get(path);
    const sent = body as Stored | undefined;
    switch (method) {
      case 'GET':
        if (path.endsWith('/endpointslices'))
          return ok({ items: [...objects].filter(([at]) => at.startsWith(`${path}/`)).map(([, object]) => object) });
        return found ? ok(found) : refused(404, 'NotFound');
      case 'POST': {
        const at = `${path}/${sent?.metadata.name}`;
        if (objects.has(at)) return refused(409, 'AlreadyExists');
        return ok(keep(at, { ...sent, metadata: { ...sent?.metadata, uid: `uid-${++versions}` } }));
      }
      case 'PATCH':
        if (!found) return refused(404, 'NotFound');
        if (found.metadata.resourceVersion !== sent?.metadata.resourceVersion) return refused(409, 'Conflict');
        return ok(keep(path, { ...found, ...sent, metadata: { ...found.metadata, ...sent?.metadata } }));
      default:
        objects.delete(path);
        return ok({});
    }
  }

  function keep(at: string, object: Stored): Stored {
    const { spec } = object as { readonly spec?: { readonly ports: unknown } };
    const kept = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++versions) },
      ...(spec && { spec: { type: 'ClusterIP', clusterIP: '10.0.0.7', ports: spec.ports } }),
    };
    objects.set(at, kept);
    return kept;
  }

  return {
    request,
    objects,
    /** Writes since it was last asked. */
    written: () => requests.splice(0),
    keep,
    breaks(how: ApiError | undefined) {
      broken = how;
    },
  };
}

const SERVICE = `/api/v1/namespaces/${KEY.namespace}/services/${KEY.name}`;

function endpoint(replica: number, about: Partial<Endpoint> = {}): Endpoint {
  const port = about.port ?? 20_000;
  return {
    replica,
    url: `http://10.1.0.${replica + 1}:${port}`,
    node: `node00${replica + 1}`,
    port,
    jobId: `${101 + replica}`,
    role: 'Serving',
    ready: true,
    since: '2026-01-01T00:00:00Z',
    ...about,
  };
}
/** What may pass by itself. */
const passing = (message: string, retryMs: number, isNews = false) =>
  err({ kind: 'unavailable', message, retryMs, isNews });
const serving = (...endpoints: readonly Endpoint[]): Status => ({ endpoints: [...endpoints] });

function bed(about: Partial<ServicesOptions> = {}) {
  const api = fakeApi();
  const clock = createManualClock(NOW);
  const publisher = createServices({ api, clock, resolve: async () => [], ...about });
  return {
    api,
    clock,
    publisher,
    /** What stands in slices, a line each. */
    lines: () =>
      [...api.objects].flatMap(([path, object]) => {
        const { addressType, ports, endpoints } = object as unknown as {
          readonly addressType: string;
          readonly ports: readonly { readonly port: number }[];
          readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions: object }[];
        };
        return (endpoints ?? []).map(
          ({ addresses, conditions }) =>
            `${path.split('/').at(-1)} ${addressType} ${addresses}:${ports[0]?.port} ${JSON.stringify(conditions)}`,
        );
      }),
  };
}

describe('publishing endpoints', () => {
  it('makes a Service of the deployment’s name without a selector, owned by it, and a slice', async () => {
    const { api, publisher } = bed();
    assert.deepEqual(await publisher.publish(resource(), serving(endpoint(0))), ok(undefined));
    assert.deepEqual(api.written(), [`POST ${KEY.namespace}/services`, `POST ${KEY.namespace}/endpointslices`]);
    const service = api.objects.get(SERVICE);
    const slice = [...api.objects.values()][1];
    const owner = {
      apiVersion: 'vllm-slurm.dev/v1alpha1',
      kind: 'VLLMDeployment',
      name: KEY.name,
      uid: UID,
      controller: true,
    };
    assert.deepEqual(service?.spec, {
      type: 'ClusterIP',
      clusterIP: '10.0.0.7',
      ports: [{ name: 'http', appProtocol: 'http', protocol: 'TCP', port: 80, targetPort: 80 }],
    });
    assert.deepEqual([service?.metadata.ownerReferences, slice?.metadata.ownerReferences], [[owner], [owner]]);
    assert.deepEqual(slice?.metadata.labels, {
      'kubernetes.io/service-name': KEY.name,
      'endpointslice.kubernetes.io/managed-by': 'operator.vllm-slurm.dev',
      'vllm-slurm.dev/name': KEY.name,
    });
  });

  it('tells ready, warming and draining apart; engines that found other ports have slices of their own', async () => {
    const { publisher, lines } = bed();
    const status = serving(
      endpoint(1, { role: 'Warming', ready: false }),
      endpoint(0),
      endpoint(2, { port: 20_007, role: 'Draining', ready: false }),
      endpoint(3, { url: 'http://[fd00::3]:20000' }),
      endpoint(4, { ready: false }),
    );
    await publisher.publish(resource(), status);
    assert.deepEqual(lines(), [
      `${KEY.name}-ipv4-20000 IPv4 10.1.0.1:20000 {"ready":true,"serving":true,"terminating":false}`,
      `${KEY.name}-ipv4-20000 IPv4 10.1.0.2:20000 {"ready":false,"serving":false,"terminating":false}`,
      `${KEY.name}-ipv4-20000 IPv4 10.1.0.5:20000 {"ready":false,"serving":false,"terminating":false}`,
      `${KEY.name}-ipv4-20007 IPv4 10.1.0.3:20007 {"ready":false,"serving":false,"terminating":true}`,
      `${KEY.name}-ipv6-20000 IPv6 fd00::3:20000 {"ready":true,"serving":true,"terminating":false}`,
    ]);
  });

  it('writes only what differs, and nothing while nothing changes, not even after a restart', async () => {
    const { api, clock, publisher } = bed();
    await publisher.publish(resource(), serving(endpoint(0), endpoint(1, { port: 20_007 })));
    api.written();
    await publisher.publish(resource(), serving(endpoint(0), endpoint(1, { port: 20_007 })));
    await clock.advance(600_000);
    await publisher.publish(resource(), serving(endpoint(0), endpoint(1, { port: 20_007 })));
    const restarted = createServices({ api, clock, resolve: async () => [] });
    await restarted.publish(resource(), serving(endpoint(0), endpoint(1, { port: 20_007 })));
    assert.deepEqual(api.written(), []);
    await restarted.publish(resource(), serving(endpoint(0, { ready: false })));
    assert.deepEqual(api.written(), [
      `PATCH ${KEY.namespace}/endpointslices/${KEY.name}-ipv4-20000`,
      `DELETE ${KEY.namespace}/endpointslices/${KEY.name}-ipv4-20007`,
    ]);
  });

  it('undoes within five minutes what somebody did to it by hand', async () => {
    const { api, clock, publisher } = bed();
    await publisher.publish(resource(), serving(endpoint(0)));
    api.written();
    api.objects.delete(SERVICE);
    await clock.advance(300_000);
    await publisher.publish(resource(), serving(endpoint(0)));
    assert.deepEqual(api.written(), [`POST ${KEY.namespace}/services`]);
  });

  it('leaves a Service of somebody else alone, and tells so once', async () => {
    const { api, clock, publisher } = bed();
    api.keep(SERVICE, { metadata: { name: KEY.name, uid: 'theirs' }, spec: { ports: [] } });
    const message = `the Service ${KEY.name} is somebody else's and is left alone: rename one of the two, or delete it`;
    assert.deepEqual(
      await publisher.publish(resource(), serving(endpoint(0))),
      err({ kind: 'blocked', message, isNews: true }),
    );
    await clock.advance(300_000);
    assert.deepEqual(
      await publisher.publish(resource(), serving(endpoint(0))),
      err({ kind: 'blocked', message, isNews: false }),
    );
    assert.deepEqual(api.written(), []);
  });

  it('takes over the Service of an earlier deployment of the name, with its address, and none of its endpoints', async () => {
    const { api, publisher, lines } = bed();
    await publisher.publish(resource({ uid: 'old' }), serving(endpoint(0, { port: 20_007 })));
    api.written();
    await publisher.publish(resource(), serving());
    assert.deepEqual(api.written(), [
      `PATCH ${KEY.namespace}/services/${KEY.name}`,
      `DELETE ${KEY.namespace}/endpointslices/${KEY.name}-ipv4-20007`,
    ]);
    assert.deepEqual(lines(), []);
  });

  it('makes no Service for a deployment that is being deleted, and takes its endpoints out', async () => {
    const { api, publisher } = bed();
    await publisher.publish(resource(), serving(endpoint(0)));
    api.written();
    api.objects.delete(SERVICE);
    await publisher.publish(resource({ deletingSinceMs: NOW }), serving());
    assert.deepEqual(api.written(), [`DELETE ${KEY.namespace}/endpointslices/${KEY.name}-ipv4-20000`]);
  });

  it('looks up nodes that SLURM knows by name, and leaves out what only its own machine can reach', async () => {
    const { publisher, lines } = bed({ resolve: async (host) => (host === 'gpu1' ? ['127.0.1.1', '10.9.0.1'] : []) });
    const status = serving(
      endpoint(0, { url: 'http://gpu1:20000' }),
      endpoint(1, { url: 'http://nowhere:20000' }),
      endpoint(2, { url: 'http://127.0.0.1:20000' }),
    );
    const published = await publisher.publish(resource(), status);
    assert.deepEqual(
      published,
      err({
        kind: 'blocked',
        message: `the Service ${KEY.name} leaves out nowhere and 127.0.0.1: no address that other machines can reach`,
        isNews: true,
      }),
    );
    assert.deepEqual(lines(), [
      `${KEY.name}-ipv4-20000 IPv4 10.9.0.1:20000 {"ready":true,"serving":true,"terminating":false}`,
    ]);
  });

  it('changes nothing while names cannot be looked up or the server does not answer, and is done later', async () => {
    let resolves = true;
    const { api, publisher } = bed({
      async resolve() {
        if (!resolves) throw new Error('queryA ETIMEOUT');
        return ['10.9.0.1'];
      },
    });
    const named = serving(endpoint(0, { url: 'http://gpu1:20000' }));
    await publisher.publish(resource(), named);
    api.written();
    resolves = false;
    const changed = serving(endpoint(0, { url: 'http://gpu1:20000', ready: false }));
    assert.deepEqual(
      await publisher.publish(resource(), changed),
      passing('gpu1 cannot be looked up: queryA ETIMEOUT', 5_000),
    );
    resolves = true;
    api.breaks({ kind: 'unknown', message: 'lost' });
    assert.deepEqual(await publisher.publish(resource(), changed), passing('lost', 10_000));
    assert.deepEqual(api.written(), []);
    api.breaks(undefined);
    await publisher.publish(resource(), changed);
    assert.deepEqual(api.written(), [`PATCH ${KEY.namespace}/endpointslices/${KEY.name}-ipv4-20000`]);
  });

  it('that fails again and again is tried more and more rarely, and told once it lasts', async () => {
    const { api, publisher } = bed();
    api.breaks({ kind: 'unknown', message: 'range is full' });
    const tries = [];
    for (let at = 0; at < 8; at += 1) tries.push(await publisher.publish(resource(), serving(endpoint(0))));
    const waits = [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000];
    assert.deepEqual(
      tries,
      waits.map((retryMs) => passing('range is full', retryMs, retryMs === 40_000)),
    );
    api.breaks(undefined);
    assert.deepEqual(await publisher.publish(resource(), serving(endpoint(0))), ok(undefined));
    api.breaks({ kind: 'unknown', message: 'range is full' });
    assert.deepEqual(await publisher.publish(resource(), serving()), passing('range is full', 5_000));
  });

  it('asks before each write whether it may', async () => {
    const { api, publisher } = bed();
    let left = 1;
    const published = await publisher.publish(resource(), serving(endpoint(0)), () => left-- > 0);
    assert.deepEqual(published, passing('this operator does not lead any more', 5_000));
    assert.deepEqual(api.written(), [`POST ${KEY.namespace}/services`]);
  });
});
