import { API_VERSION, GROUP, KIND, type Resource } from '../api/resource.ts';
import type { Endpoint } from '../api/status.ts';
import type { Address } from './address.ts';

/** On Services: who keeps them. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
/** On EndpointSlices: whose they are, and of which Service. Names of `discovery.k8s.io/v1`. */
export const SLICE_MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const MANAGER = `operator.${GROUP}`;

const PORT_NAME = 'http';
/** Of the Service, whatever port each engine found free. */
const SERVICE_PORT = 80;

/** An object as it has to be; what is not in it is nobody's business here. */
export type Wanted = {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
};

export type Published = { readonly service: Wanted; readonly slices: readonly Wanted[] };

/**
 * A Service without selector and its EndpointSlices. A slice has one port, and engines choose theirs on their nodes: so
 * there is a slice for each port and family of addresses.
 * @param addresses by host of the endpoint's URL; endpoints of other hosts are left out
 */
export function publishedOf(
  resource: Pick<Resource, 'key' | 'uid'>,
  endpoints: readonly { readonly endpoint: Endpoint; readonly address: Address }[],
): Published {
  const groups = Map.groupBy(endpoints, ({ endpoint, address }) => `${address.type.toLowerCase()}-${endpoint.port}`);
  const slices = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, members]) => sliceOf(resource, group, members));
  return { service: serviceOf(resource), slices };
}

function serviceOf(resource: Pick<Resource, 'key' | 'uid'>): Wanted {
  const { name } = resource.key;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...resource.key,
      labels: { [MANAGED_BY_LABEL]: MANAGER, [`${GROUP}/name`]: name },
      ownerReferences: [ownerOf(resource)],
    },
    // Its type is left to people: one who makes a load balancer of it keeps that.
    spec: {
      selector: null,
      ports: [{ name: PORT_NAME, appProtocol: 'http', protocol: 'TCP', port: SERVICE_PORT, targetPort: SERVICE_PORT }],
    },
  };
}

function sliceOf(
  resource: Pick<Resource, 'key' | 'uid'>,
  group: string,
  members: readonly { readonly endpoint: Endpoint; readonly address: Address }[],
): Wanted {
  const { name, namespace } = resource.key;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${group}`,
      namespace,
      labels: { [SERVICE_NAME_LABEL]: name, [SLICE_MANAGED_BY_LABEL]: MANAGER, [`${GROUP}/name`]: name },
      ownerReferences: [ownerOf(resource)],
    },
    addressType: members[0]?.address.type,
    ports: [{ name: PORT_NAME, appProtocol: 'http', protocol: 'TCP', port: members[0]?.endpoint.port }],
    endpoints: members
      .toSorted((a, b) => a.endpoint.replica - b.endpoint.replica)
      .map(({ endpoint: { ready, role }, address }) => ({
        addresses: [address.text],
        // A draining engine takes no new request: it does not serve either, in this API's sense.
        conditions: { ready, serving: ready, terminating: role === 'Draining' },
      })),
  };
}

/** With it the garbage collector takes what is published away when the deployment is gone. */
function ownerOf({ key: { name }, uid }: Pick<Resource, 'key' | 'uid'>): object {
  return { apiVersion: API_VERSION, kind: KIND, name, uid, controller: true };
}

/** Whether an object has all that is wanted of it; what else it has is others'. `null` is wanted away. */
export function covers(actual: unknown, wanted: unknown): boolean {
  if (wanted === null) return actual === undefined || actual === null;
  if (Array.isArray(wanted))
    return (
      Array.isArray(actual) && actual.length === wanted.length && wanted.every((one, at) => covers(actual[at], one))
    );
  if (typeof wanted !== 'object') return actual === wanted;
  if (typeof actual !== 'object' || actual === null) return false;
  return Object.entries(wanted).every(([name, value]) => covers((actual as Record<string, unknown>)[name], value));
}
