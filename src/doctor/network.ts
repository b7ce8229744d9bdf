import type { Check } from './checks.ts';
import { warning } from './finding.ts';

export const checkRoute: Check = ({ route }) => {
  if (!route) return undefined;
  const { node, address, outcome } = route;
  if (outcome.ok) return [];
  return [
    warning(
      `${node} (${address}) is not reached from here: ${outcome.error}`,
      'no endpoint counts as ready, and no request is passed on',
      'run the operator on a machine in the network of the compute nodes, such as a login node',
    ),
  ];
};

/** Times of SLURM are to the second, and asking takes a while. */
const SKEW_MS = 30_000;

export const checkClock: Check = ({ configuration, job }) => {
  const configured = configuration?.ok ? configuration.value : undefined;
  if (configured?.clockMs === undefined && !job?.ok) return undefined;
  const away = (ms: number, who: string) =>
    Math.abs(ms) <= SKEW_MS
      ? []
      : [
          warning(
            `the clock of ${who} is ${Math.round(Math.abs(ms) / 1000)} s ${ms > 0 ? 'ahead of' : 'behind'} this one`,
            'ages and deadlines are wrong by as much, and SLURM refuses credentials that are minutes off',
            'let both follow a time server',
          ),
        ];
  return [
    ...(configured?.clockMs === undefined
      ? []
      : away(controllerSkewMs(configured, configured.clockMs), 'the controller')),
    ...(job?.ok && job.value.clockSkewMs !== undefined ? away(job.value.clockSkewMs, job.value.node) : []),
  ];
};

/** Nothing as long as the time can lie between question and answer. */
function controllerSkewMs(
  { askedAtMs, answeredAtMs }: { readonly askedAtMs: number; readonly answeredAtMs: number },
  clockMs: number,
): number {
  if (clockMs < askedAtMs - 1000) return clockMs - askedAtMs;
  return clockMs > answeredAtMs ? clockMs - answeredAtMs : 0;
}
