import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { API_VERSION, KIND } from '../src/api/resource.ts';
import type { SpecInput } from '../src/api/spec.ts';
import { readSpec } from '../src/launch/read-spec.ts';
import { renderScript } from '../src/launch/script.ts';
import type { Site } from '../src/launch/site.ts';
import { specHash } from '../src/launch/spec-hash.ts';
import { jobName } from '../src/slurm/identity.ts';
import type { Submission } from '../src/slurm/slurm.ts';

export const NAMESPACE = 'default';

/** A GPU each, of nodes that a longer job holds whole (`occupy`): all of them wait in the queue, none runs. */
const SPEC: SpecInput = {
  model: { uri: 'hf://example/bench', name: 'bench' },
  resources: { gpusPerNode: 1, cpusPerTask: 4, memory: '8G' },
  slurm: { time: '1:00:00' },
  engine: { type: 'stand-in' },
};

/** `d0001`, `d0002`, …, of one replica each; the first `from` of them left out. */
export function deploymentNames(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from }, (_, i) => `d${String(from + i + 1).padStart(4, '0')}`);
}

/** As it is written to a file, or sent to an API server. */
export function manifest(name: string) {
  return { apiVersion: API_VERSION, kind: KIND, metadata: { namespace: NAMESPACE, name }, spec: SPEC };
}

export async function writeDeployments(directory: string, names: readonly string[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of names) {
    await writeFile(join(directory, `${name}.yaml`), stringify(manifest(name)));
  }
}

/** What the operator submits for these deployments; only the random words of the markers are others, of the same length. */
export function renderedScripts(names: readonly string[], site: Site, body: string): readonly Submission[] {
  const read = readSpec(SPEC);
  if (!read.ok) throw new Error(`the spec of the benchmark: ${JSON.stringify(read.error)}`);
  const spec = read.value;
  const random = { uid: A_UUID, owner: A_UUID, nonce: 'abcdefghijklm0' };
  return names.map((name) => {
    const identity = {
      ...random,
      namespace: NAMESPACE,
      name,
      replica: 0,
      attempt: 1,
      generation: 1,
      specHash: specHash(spec),
    };
    return { name: jobName(identity), script: renderScript({ identity, spec, excludedNodes: [], site, body }) };
  });
}
const A_UUID = '00000000-0000-4000-8000-000000000000';
