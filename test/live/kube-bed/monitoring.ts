import { join } from 'node:path';
import { go, hasGo } from './programs.ts';

/** The module that carries the definitions as YAML. */
const PROMETHEUS_OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const KINDS = ['servicemonitors', 'prometheusrules'];

/** Files with the definitions of what we give the Prometheus operator, from Go's cache; undefined: no Go to get them. */
export async function monitoringCrds(): Promise<readonly string[] | undefined> {
  if (!hasGo()) return undefined;
  const { Dir } = JSON.parse(await go(['mod', 'download', '-json', PROMETHEUS_OPERATOR])) as { readonly Dir: string };
  return KINDS.map((kind) => join(Dir, 'example/prometheus-operator-crd', `monitoring.coreos.com_${kind}.yaml`));
}
