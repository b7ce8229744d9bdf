import { type Authority, type Finding, left, type Setting, warning } from './finding.ts';

/** A count that was said somewhere. */
export type Counted = { readonly setting: Setting; readonly count: number };

/** All GPUs of a replica, shared out among its nodes. Where that does not come out even, each node is given enough. */
export function gpusOverNodes(gpus: Counted, nodes: Counted | undefined, authority: Authority): readonly Finding[] {
  const count = Math.max(1, nodes?.count ?? 1);
  const perNode = Math.ceil(gpus.count / count);
  const claim: Finding = {
    kind: 'claim',
    setting: gpus.setting,
    field: 'spec.resources.gpusPerNode',
    value: perNode,
    authority,
  };
  if (nodes === undefined || perNode * count === gpus.count) return [claim];
  return [
    claim,
    warning(
      `${gpus.setting.key} ${gpus.count} does not divide by ${nodes.setting.key} ${count}: written as ${perNode} GPUs a node, ${perNode * count} in all`,
      gpus.setting.place,
      nodes.setting.place,
    ),
  ];
}

/** `gpu:h100:4`, `gpu:4`, `gpu`: a word of digits alone is the count. Source: sbatch(1) `--gres`. */
export function gresFindings(text: string, setting: Setting, authority: Authority): readonly Finding[] {
  const [gpu, ...others] = text.split(',').sort((a, b) => Number(b.startsWith('gpu')) - Number(a.startsWith('gpu')));
  const match = /^(?:gres[:/])?gpu(?:[:=](?!\d+$)([A-Za-z0-9_.-]+))?(?:[:=](\d{1,4}))?$/.exec(gpu ?? '');
  if (!match || others.length > 0)
    return [
      left(setting, `${JSON.stringify(text)} is more than GPUs of one type, which is all spec.resources asks for`),
    ];
  const [, type, count = '1'] = match;
  return gpuFindings(type, Number(count), setting, authority);
}

/** `h100:4` or `4`, of `--gpus-per-node`. */
export function gpuFindings(
  type: string | undefined,
  count: number,
  setting: Setting,
  authority: Authority,
): readonly Finding[] {
  const claim = { kind: 'claim', setting, authority } as const;
  return [
    { ...claim, field: 'spec.resources.gpusPerNode', value: count },
    ...(type === undefined ? [] : [{ ...claim, field: 'spec.resources.gpuType', value: type }]),
  ];
}

/** @returns undefined where the text is no count of GPUs */
export function readGpuCount(text: string): { readonly type?: string; readonly count: number } | undefined {
  const match = /^(?:([A-Za-z][A-Za-z0-9_.-]*):)?(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  return { count: Number(match[2]), ...(match[1] !== undefined && { type: match[1] }) };
}
