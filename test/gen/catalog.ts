import type { Catalog } from '../../src/api/catalog.ts';
import type { SpecInput } from '../../src/api/spec.ts';
import { readPreset } from '../../src/launch/read-preset.ts';

/** A catalog whose presets say only this, of a model of 40 GB for GPUs of 80 GiB. */
export function catalogOf(specs: Readonly<Record<string, Partial<SpecInput>>>): Catalog {
  const entries = Object.entries(specs).map(([name, spec]) => {
    const read = readPreset({
      title: name,
      description: 'For tests.',
      precision: 'BF16',
      contextTokens: 131072,
      minimumEngine: '0.15.1',
      gpuMemoryGiB: 80,
      shape: { weightsGB: 40, attentionHeads: 64, keyValue: { layers: 32, heads: 8, values: 256 } },
      spec: { model: { uri: `hf://org/${name}` }, ...spec },
      sources: {},
    });
    if (!read.ok) throw new Error(read.error);
    return [name, { name, file: `${name}.yaml`, preset: read.value }] as const;
  });
  return { entries: new Map(entries), broken: new Map([['torn', 'torn.yaml: title: Required']]) };
}
