import { EMPTY_CATALOG } from '../api/catalog.ts';
import { problemLine } from '../api/problem-line.ts';
import { fitWarnings } from '../launch/fit.ts';
import type { Check } from './checks.ts';
import { error, type Finding, warning } from './finding.ts';
import { nameOf } from './wish.ts';

export const checkDeployments: Check = ({ unreadable }) =>
  unreadable.map((why) =>
    error(why, 'the deployment is not made, or stays as it was before', 'mend the file: the line is where to look'),
  );

export const checkFit: Check = ({ wishes, site }) =>
  wishes.flatMap((wish) =>
    fitWarnings(wish.spec, site.catalog ?? EMPTY_CATALOG, site.hardware).map((problem) =>
      warning(
        `${nameOf(wish)}: ${problemLine(problem)}`,
        'the engine will most likely not start',
        'change the field, or the kind of GPU; nothing is refused for it',
      ),
    ),
  );

/** A replica takes one port, and two more to meet its ranks; nodes are shared with other people's jobs. */
const PORTS_A_REPLICA = 3;

export const checkPorts: Check = ({ wishes, site, job }) => [
  ...fixedPorts(wishes),
  ...tooFew(wishes, site.portRange),
  ...(job?.ok ? handedOut(site.portRange, job.value.ephemeralPorts) : []),
];

type Wishes = Parameters<Check>[0]['wishes'];
type Range = { readonly low: number; readonly high: number };

function fixedPorts(wishes: Wishes): readonly Finding[] {
  const users = Map.groupBy(
    wishes.filter(({ spec }) => spec.endpoint.port !== undefined && !spec.suspend && spec.replicas > 0),
    ({ spec }) => spec.endpoint.port,
  );
  return [...users].flatMap(([port, all]) => {
    const replicas = all.reduce((sum, { spec }) => sum + spec.replicas, 0);
    if (replicas < 2) return [];
    return [
      warning(
        `port ${port} is fixed for ${replicas} replicas: ${all.map(nameOf).join(', ')}`,
        'two of them on one node cannot both serve: the later one is submitted again and again',
        'leave endpoint.port out, and a free port is chosen on the node',
      ),
    ];
  });
}

function tooFew(wishes: Wishes, { low, high }: Range): readonly Finding[] {
  const wanted = PORTS_A_REPLICA * wishes.reduce((sum, { spec }) => sum + spec.replicas, 0);
  const have = high - low + 1;
  if (have >= wanted) return [];
  return [
    warning(
      `portRange ${low}-${high} holds ${have} ports, and all replicas on one node would take ${wanted}`,
      'some may find no free port',
      'set portRange wider',
    ),
  ];
}

function handedOut({ low, high }: Range, kernel: Range | undefined): readonly Finding[] {
  if (!kernel || high < kernel.low || low > kernel.high) return [];
  return [
    warning(
      `portRange ${low}-${high} overlaps the ports compute nodes hand out by themselves (${kernel.low}-${kernel.high})`,
      'a port may be taken by a passing connection just when it is wanted; another is chosen then',
      `set portRange below ${kernel.low}`,
    ),
  ];
}
