import { directiveOptions } from '../slurm/directive-lines.ts';
import { type Finding, left, warning } from './finding.ts';
import { gpuFindings, gpusOverNodes, gresFindings, readGpuCount } from './gpus.ts';
import { optionFindings } from './targets.ts';
import { expand, type ShellVariables } from './values.ts';

/** What the `#SBATCH` lines of a script ask for. */
export function directiveFindings(file: string, text: string, shell: ShellVariables): readonly Finding[] {
  const options = directiveOptions(text).map(({ line, option }) => ({ option, place: { file, line } }));
  const good = options.flatMap(({ option, place }) => (option.ok ? [{ ...option.value, place }] : []));
  const lastOf = (name: string) => good.findLast((one) => one.name === name);
  const counted = (name: string) => {
    const one = lastOf(name);
    return one && /^\d+$/.test(one.value)
      ? { setting: { key: `#SBATCH --${name}`, place: one.place }, count: Number(one.value) }
      : undefined;
  };
  return options.flatMap(({ option, place }): readonly Finding[] => {
    if (!option.ok) return [left({ key: '#SBATCH', place }, `sbatch would not take it: ${option.error}`)];
    const { name, value } = option.value;
    const setting = { key: `#SBATCH --${name}`, place };
    const authority = 'script';
    if (good.findLast((one) => one.name === name)?.place !== place)
      return [left(setting, 'it is said again further down, and the last counts')];
    if (name === 'gres') return gresFindings(value, setting, authority);
    if (name === 'gpus' || name === 'gpus-per-node') {
      const gpus = readGpuCount(value);
      if (!gpus) return [left(setting, `${JSON.stringify(value)} is no count of GPUs`)];
      if (name === 'gpus-per-node') return gpuFindings(gpus.type, gpus.count, setting, authority);
      return [
        ...gpuFindings(gpus.type, gpus.count, setting, authority).slice(1),
        ...gpusOverNodes({ setting, count: gpus.count }, counted('nodes'), authority),
      ];
    }
    const tasks = counted('ntasks-per-node');
    if (name === 'cpus-per-task' && tasks && tasks.count > 1 && /^\d+$/.test(value))
      return [
        { kind: 'claim', setting, field: 'spec.resources.cpusPerTask', value: Number(value) * tasks.count, authority },
        warning(
          `each node has one task here: ${tasks.count} tasks of ${value} CPUs are written as one of ${Number(value) * tasks.count}`,
          tasks.setting.place,
          place,
        ),
      ];
    const full = expand(value, shell);
    return optionFindings(name, {
      setting,
      words: full.ok && full.value !== '' ? [full.value] : value === '' ? [] : [value],
      authority,
    });
  });
}
