import { Settings } from '../../src/config.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { type KubeBed, startKubeBed } from '../../test/live/kube-bed/bed.ts';
import { connect } from '../../test/live/kube-bed/crd.ts';
import { installOperator, operatorToken } from '../../test/live/kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from '../../test/live/kube-bed/operator.ts';
import { type Ground, onBed, onOccupiedBed } from '../cluster.ts';
import { jobLogsIn, MAIN } from '../operator.ts';
import { until } from '../until.ts';

/** A cluster of SLURM, and an API server with the operator's definition and rights in it. */
export type KubeGround = Ground & {
  readonly kube: KubeBed;
  /** As one who may do everything. */
  readonly api: KubernetesApi;
};

/** @param nodes of SLURM: free, or all of them taken */
export function onKubeGround<T>(nodes: 'free' | 'occupied', measure: (ground: KubeGround) => Promise<T>): Promise<T> {
  const on = nodes === 'free' ? onBed<T> : onOccupiedBed<T>;
  return on(async (ground) => {
    const kube = await startKubeBed();
    try {
      await installOperator(kube);
      const api = await connect(kube);
      try {
        return await measure({ ...ground, kube, api });
      } finally {
        await api.close();
      }
    } finally {
      await kube.stop();
    }
  });
}

/** A user of the API server with the operator's rights and no others. */
export async function operatorKubeconfig({ kube }: KubeGround): Promise<string> {
  return kube.kubeconfig('operator.kubeconfig', { token: await operatorToken(kube) });
}

export type Leader = KubeOperator & {
  /** Resolves when it is at work: it leads, has read every deployment, and has heard from SLURM. */
  leads(): Promise<void>;
};

const LEADS_MS = 120_000;
const LOOK_MS = 20;

/** With its intervals as people have them, a process of its own; `measure` begins when it says where its pages are. */
export async function withKubeOperator<T>(ground: KubeGround, measure: (operator: Leader) => Promise<T>): Promise<T> {
  const intervals = Object.entries(Settings.parse({}).intervals).map(([name, value]) => [`intervals.${name}`, value]);
  const operator = await startKubeOperator(ground.kube, await operatorKubeconfig(ground), {
    settings: { ...Object.fromEntries(intervals), 'cluster.type': 'slurm', logDirectory: jobLogsIn(ground.scratch) },
    env: ground.bed.env,
    main: MAIN,
  });
  try {
    return await measure({
      ...operator,
      async leads() {
        const heard = async () => operator.log().includes('SLURM answers') || undefined;
        await until('the operator hears from SLURM', LEADS_MS, heard, LOOK_MS);
      },
    });
  } finally {
    await operator.stop();
  }
}
