import type { SpecInput } from '../../../src/api/spec.ts';
import { Status } from '../../../src/api/status.ts';
import { until } from '../operator/until.ts';
import type { KubeBed } from './bed.ts';

/** What `kubectl get -o json` prints, as far as stories look at it. */
export type Manifest = {
  readonly metadata: {
    readonly uid: string;
    readonly generation: number;
    readonly resourceVersion: string;
    readonly finalizers?: readonly string[];
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status?: Status;
};

/** A person with kubectl. */
export type Person = {
  /** A deployment of the stand-in engine, small and quick. */
  apply(name: string, spec?: Partial<SpecInput>): Promise<void>;
  get(name: string): Promise<Manifest | undefined>;
  /** Waits until the status says so. */
  shows(name: string, what: (status: Status, manifest: Manifest) => boolean): Promise<Status>;
};

export function personAt(bed: KubeBed, namespace = 'default'): Person {
  async function get(name: string): Promise<Manifest | undefined> {
    const text = await bed.kubectl('get', 'vllmd', name, '-n', namespace, '-o', 'json', '--ignore-not-found');
    return text === '' ? undefined : (JSON.parse(text) as Manifest);
  }
  return {
    async apply(name, spec = {}) {
      const manifest = {
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name, namespace },
        spec: { ...standIn(name), ...spec },
      };
      await bed.kubectlWith(JSON.stringify(manifest), 'apply', '-f', '-');
    },
    get,
    async shows(name, what) {
      let last: Manifest | undefined;
      return until(
        () => last,
        async () => {
          last = await get(name);
          const status = Status.parse(last?.status ?? {});
          return last && what(status, last) ? status : undefined;
        },
      );
    },
  };
}

/** Small and quick: no GPU, and its word within seconds. */
export function standIn(name: string): SpecInput {
  return {
    model: { uri: `hf://example/${name}`, name },
    resources: { gpusPerNode: 0 },
    engine: { type: 'stand-in' },
    probes: { liveness: { periodSeconds: 2, timeoutSeconds: 10, failureThreshold: 5 } },
    restartPolicy: { backoff: { initialSeconds: 1, maxSeconds: 5 } },
  };
}
