import { DNS_LABEL } from '../api/spec.ts';
import type { ModelReading } from './reading.ts';

/** DNS labels, each once. */
export function deploymentNames(models: readonly ModelReading[]): readonly string[] {
  const taken = new Set<string>();
  return models.map(({ name }) => {
    const label = name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 58)
      .replace(/^-+|-+$/g, '');
    const base = DNS_LABEL.test(label) ? label : 'model';
    let free = base;
    for (let i = 2; taken.has(free); i++) free = `${base}-${i}`;
    taken.add(free);
    return free;
  });
}
