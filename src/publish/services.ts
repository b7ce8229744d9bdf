import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Key, keyText } from '../api/key.ts';
import { API_VERSION, KIND, type Resource } from '../api/resource.ts';
import type { Endpoint, Status } from '../api/status.ts';
import { type Clock, withinMs } from '../clock.ts';
import { type ApiError, type ApiRequest, FIELD_MANAGER, isNotFound, type KubernetesApi } from '../kubernetes/api.ts';
import { err, ok, type Result } from '../result.ts';
import { type Address, hostOf, readAddress } from './address.ts';
import {
  covers,
  MANAGED_BY_LABEL,
  MANAGER,
  publishedOf,
  SERVICE_NAME_LABEL,
  SLICE_MANAGED_BY_LABEL,
  type Wanted,
} from './published.ts';
import type { PublishError, Publisher } from './publisher.ts';

export type ServicesOptions = {
  readonly api: Pick<KubernetesApi, 'request'>;
  readonly clock: Clock;
  /** Addresses of a node that SLURM knows by name; empty: there is no such name. Rejects when nobody could be asked. */
  resolve(host: string): Promise<readonly string[]>;
};

/** What somebody else did to an object of ours is found and undone within this time. */
const RECHECK_MS = 300_000;
const LOOK_UP_MS = 5_000;
/** A fleet that fails together, as when addresses run out, must not ask for them all the time. */
const FIRST_RETRY_MS = 5_000;
/** What has failed so often in a row is told: it may take a person. */
const LASTING_FAILURES = 4;

const Existing = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    ownerReferences: z
      .array(z.looseObject({ apiVersion: z.string(), kind: z.string(), name: z.string() }))
      .default([])
      .catch([]),
  }),
});
type Existing = z.output<typeof Existing>;
const Listed = z.object({ items: z.array(Existing) });

type Answer<T> = Promise<Result<T, PublishError>>;
type Memory = { readonly print: string; readonly atMs: number; readonly told: string };

/** A Service of the deployment's own name, and EndpointSlices that are what its status says. */
export function createServices({ api, clock, resolve }: ServicesOptions): Publisher {
  const memories = new Map<string, Memory>();
  /** In a row, by the deployment's name. */
  const failures = new Map<string, number>();

  function unavailable(name: string, message: string): PublishError {
    const count = (failures.get(name) ?? 0) + 1;
    failures.set(name, count);
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** (count - 1), RECHECK_MS);
    return { kind: 'unavailable', message, retryMs, isNews: count === LASTING_FAILURES };
  }

  async function publish(resource: Resource, status: Status, mayWrite: () => boolean): Answer<void> {
    const addressed = await addressesOf(status.endpoints ?? []);
    if (!addressed.ok) return addressed;
    const { found, lost } = addressed.value;
    const { service, slices } = publishedOf(resource, found);
    const write = writer(mayWrite);
    const there = await lookFor(service);
    if (!there.ok) return there;
    if (there.value && !isOurs(there.value, MANAGED_BY_LABEL, resource.key))
      return blocked(
        `the Service ${resource.key.name} is somebody else's and is left alone: rename one of the two, or delete it`,
      );
    const listed = await listSlices(resource.key);
    if (!listed.ok) return listed;
    const steps = [
      // One that is being deleted takes its Service with it: made anew, the garbage collector would never be done.
      ...(resource.deletingSinceMs === undefined ? [() => put(write, service, there.value)] : []),
      ...slices.map(
        (slice) => () =>
          put(
            write,
            slice,
            listed.value.find((one) => one.metadata.name === slice.metadata.name),
          ),
      ),
      ...listed.value
        .filter((one) => slices.every((slice) => slice.metadata.name !== one.metadata.name))
        .map((one) => () => remove(write, slicePath(resource.key.namespace, one.metadata.name), one)),
    ];
    for (const step of steps) {
      const done = await step();
      if (!done.ok) return done;
    }
    if (lost.length > 0)
      return blocked(
        `the Service ${resource.key.name} leaves out ${lost.join(' and ')}: no address that other machines can reach`,
      );
    return ok(undefined);
  }

  /** Names are resolved here: an EndpointSlice of names is of no use to kube-proxy. */
  async function addressesOf(endpoints: readonly Endpoint[]): Answer<{
    readonly found: readonly { readonly endpoint: Endpoint; readonly address: Address }[];
    readonly lost: readonly string[];
  }> {
    const hosts = [...new Set(endpoints.map(({ url }) => hostOf(url)))];
    const known = new Map<string, Address | undefined>();
    for (const host of hosts) {
      try {
        const texts = isAddress(host) ? [host] : await withinMs(clock, LOOK_UP_MS, resolve(host));
        if (!texts) return err({ kind: 'unavailable', message: `${host} cannot be looked up: no answer in time` });
        known.set(
          host,
          texts.map(readAddress).find((address) => address !== undefined),
        );
      } catch (error) {
        return err({ kind: 'unavailable', message: `${host} cannot be looked up: ${(error as Error).message}` });
      }
    }
    return ok({
      found: endpoints.flatMap((endpoint) => {
        const address = known.get(hostOf(endpoint.url));
        return address ? [{ endpoint, address }] : [];
      }),
      lost: hosts.filter((host) => !known.get(host)),
    });
  }

  async function lookFor({ metadata }: Wanted): Answer<Existing | undefined> {
    const answer = await api.request({ method: 'GET', path: servicePath(metadata.namespace, metadata.name) });
    if (!answer.ok) return isNotFound(answer.error) ? ok(undefined) : failed(answer.error);
    return existing(answer.value);
  }

  async function listSlices({ namespace, name }: Key): Answer<readonly Existing[]> {
    const labelSelector = `${SERVICE_NAME_LABEL}=${name},${SLICE_MANAGED_BY_LABEL}=${MANAGER}`;
    const answer = await api.request({ method: 'GET', path: slicePath(namespace), query: { labelSelector } });
    if (!answer.ok) return failed(answer.error);
    const parsed = Listed.safeParse(answer.value);
    return parsed.success ? ok(parsed.data.items) : err({ kind: 'unavailable', message: parsed.error.message });
  }

  return {
    async publish(resource, status, mayWrite = () => true) {
      const name = keyText(resource.key);
      const print = printOf(resource, status);
      const before = memories.get(name);
      const now = clock.now();
      if (before?.print === print && Math.abs(now - before.atMs) < RECHECK_MS) return ok(undefined);
      const done = await publish(resource, status, mayWrite);
      if (!done.ok && done.error.kind === 'unavailable') return err(unavailable(name, done.error.message));
      failures.delete(name);
      const told = done.ok ? '' : done.error.message;
      memories.set(name, { print, atMs: now, told });
      return done.ok ? done : err({ ...done.error, isNews: before?.told !== told });
    },
    forget(key) {
      memories.delete(keyText(key));
      failures.delete(keyText(key));
    },
  };

  type Write = (request: ApiRequest) => Answer<void>;

  function writer(mayWrite: () => boolean): Write {
    return async (request) => {
      if (!mayWrite()) return err({ kind: 'unavailable', message: 'this operator does not lead any more' });
      const answer = await api.request({ ...request, query: { fieldManager: FIELD_MANAGER } });
      return answer.ok || (request.method === 'DELETE' && isNotFound(answer.error))
        ? ok(undefined)
        : failed(answer.error);
    };
  }
}

async function put(
  write: (request: ApiRequest) => Answer<void>,
  wanted: Wanted,
  there: Existing | undefined,
): Answer<void> {
  const { apiVersion: _, kind, ...rest } = wanted; // which the items of a list do not repeat
  if (there && covers(there, rest)) return ok(undefined);
  const { namespace, name } = wanted.metadata;
  const pathOf = kind === 'Service' ? servicePath : slicePath;
  if (!there) return write({ method: 'POST', path: pathOf(namespace), body: wanted });
  const { uid, resourceVersion } = there.metadata;
  const body = { ...wanted, metadata: { ...wanted.metadata, uid, resourceVersion } };
  return write({ method: 'PATCH', path: pathOf(namespace, name), body });
}

function remove(write: (request: ApiRequest) => Answer<void>, path: string, { metadata }: Existing): Answer<void> {
  const { uid, resourceVersion } = metadata;
  return write({ method: 'DELETE', path, body: { preconditions: { uid, resourceVersion } } });
}

/** Ours by label, and of a deployment of this name: of one before, too, whose Service its successor takes over. */
function isOurs({ metadata }: Existing, label: string, { name }: Key): boolean {
  return (
    metadata.labels[label] === MANAGER &&
    metadata.ownerReferences.every(
      (owner) => owner.apiVersion === API_VERSION && owner.kind === KIND && owner.name === name,
    )
  );
}

function printOf({ uid }: Resource, { endpoints = [] }: Status): string {
  const published = endpoints.map(({ replica, url, role, ready }) => [replica, url, role, ready]);
  return createHash('sha256')
    .update(JSON.stringify([uid, published]))
    .digest('hex');
}

function existing(value: unknown): Result<Existing, PublishError> {
  const parsed = Existing.safeParse(value);
  return parsed.success ? ok(parsed.data) : err({ kind: 'unavailable', message: parsed.error.message });
}

const CONFLICT = 409;
const ALREADY_EXISTS = 'AlreadyExists';

function failed(error: ApiError): Result<never, PublishError> {
  const passes = error.kind !== 'refused' || (error.code === CONFLICT && error.reason !== ALREADY_EXISTS);
  return passes ? err({ kind: 'unavailable', message: error.message }) : blocked(error.message);
}

const blocked = (message: string): Result<never, PublishError> => err({ kind: 'blocked', message, isNews: true });

const isAddress = (host: string): boolean => readAddress(host) !== undefined || /^[\d.]+$|:/.test(host);
const below = (collection: string, name?: string): string =>
  name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`;
const servicePath = (namespace: string, name?: string): string =>
  below(`/api/v1/namespaces/${encodeURIComponent(namespace)}/services`, name);
const slicePath = (namespace: string, name?: string): string =>
  below(`/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`, name);
