import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { embedded } from '../docs/embedded.ts';
import { follow } from '../docs/follow.ts';
import { DOCUMENTS, type Fence, fencesOf } from '../docs/markdown.ts';
import { isCommands, isInstead, placeOf } from '../docs/places.ts';
import { type Scratch, scratch } from '../docs/scratch.ts';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { findHelm, findPrograms, whyNoPrograms } from './kube-bed/programs.ts';

/** What the documents have people type for Kubernetes, at a real API server; jobs are processes of this machine. */

/** Of one document, where nothing has to be loaded. */
const DEADLINE_MS = 300_000;

type Reader = { readonly title: string; readonly fences: readonly Fence[] };

/** Somebody reads the document from its beginning to its end; for each other way somebody else begins with that. */
function readersOf(file: string): readonly Reader[] {
  const fences = fencesOf(file).filter((fence) => isCommands(fence) && placeOf(fence) === 'kubernetes');
  const first = fences.filter((fence) => !isInstead(fence));
  return [
    ...(first.length > 0 ? [{ title: file, fences: first }] : []),
    ...fences.filter(isInstead).map((fence) => ({ title: `${file}:${fence.line}`, fences: [fence] })),
  ];
}

describe('the commands of the documents for Kubernetes', { skip: whyNoPrograms() ?? false }, () => {
  for (const { title, fences } of DOCUMENTS.flatMap(readersOf)) {
    test(title, async (context) => {
      const bed = await startKubeBed();
      context.after(() => bed.stop());
      const kubeconfig = await bed.kubeconfig('reader.kubeconfig');
      const programs = [(await findPrograms()).kubectl, await findHelm()].map((file) => path.dirname(file));
      await using here = scratch((root) => {
        const { environment, endJobs } = embedded(root);
        return {
          environment: {
            ...environment,
            KUBECONFIG: kubeconfig,
            VLLM_SLURM_METRICS_BIND_ADDRESS: '127.0.0.1:0',
            VLLM_SLURM_HEALTH_PROBE_BIND_ADDRESS: '127.0.0.1:0',
          },
          programs,
          deadlineMs: DEADLINE_MS,
          endJobs,
        };
      });
      const operator = startsOperator(fences) ? undefined : await inPlaceOfPods(bed, kubeconfig, here);
      try {
        const { code, told, said } = await follow(fences, ['kubernetes'], here);
        assert.deepEqual({ code, told }, { code: 0, told: [] }, `${said}\n${operator?.log() ?? ''}`);
      } finally {
        await operator?.stop();
      }
    });
  }
});

const startsOperator = (fences: readonly Fence[]): boolean =>
  fences.some(({ text }) => /\brun --kubernetes\b/.test(text));

/** No kubelet starts the operator that the manifests and the chart install. */
function inPlaceOfPods(bed: KubeBed, kubeconfig: string, here: Scratch): Promise<KubeOperator> {
  const root = path.dirname(here.home);
  const { environment } = embedded(root);
  return startKubeOperator(bed, kubeconfig, {
    settings: { 'local.directory': environment.VLLM_SLURM_LOCAL_DIRECTORY ?? '' },
    env: { ...environment, PATH: `${path.join(root, 'bin')}:${process.env.PATH ?? '/usr/bin:/bin'}` },
  });
}
