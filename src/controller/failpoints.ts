import type { SecretFiles, SecretReader } from '../secrets/secrets.ts';
import type { Slurm } from '../slurm/slurm.ts';
import type { Store } from '../store/store.ts';
import type { Deps } from './deps.ts';

/**
 * Every place where the controller touches the outside, before and after: a test stops the process at each in turn
 * and looks whether the promises still hold. Enumerated from the ports, so a new call is tested by being made.
 */
const STORE_CALLS = [
  'list',
  'get',
  'writeStatus',
  'addFinalizer',
  'releaseFinalizer',
] as const satisfies readonly (keyof Store)[];
const SLURM_CALLS = [
  'listJobs',
  'describe',
  'history',
  'submit',
  'cancel',
  'nodes',
] as const satisfies readonly (keyof Slurm)[];

const SECRET_CALLS = ['read'] as const satisfies readonly (keyof SecretReader)[];
const SECRET_FILE_CALLS = ['write', 'read', 'names', 'remove'] as const satisfies readonly (keyof SecretFiles)[];

type Port = 'store' | 'slurm' | 'secrets' | 'secretFiles';
export type Failpoint = `${Port}.${string}:${'before' | 'after'}`;

export const FAILPOINTS: readonly Failpoint[] = [
  ...pointsOf('store', STORE_CALLS),
  ...pointsOf('slurm', SLURM_CALLS),
  ...pointsOf('secrets', SECRET_CALLS),
  ...pointsOf('secretFiles', SECRET_FILE_CALLS),
];

function pointsOf(port: Port, calls: readonly string[]): readonly Failpoint[] {
  return calls.flatMap((call) => [`${port}.${call}:before`, `${port}.${call}:after`] as const);
}

/** @param reached called each time one is passed; it may not return */
export function withFailpoints(deps: Deps, reached: (point: Failpoint) => void): Deps {
  return {
    ...deps,
    store: wrapped(deps.store, 'store', STORE_CALLS, reached),
    slurm: wrapped(deps.slurm, 'slurm', SLURM_CALLS, reached),
    secrets: wrapped(deps.secrets, 'secrets', SECRET_CALLS, reached),
    secretFiles: wrapped(deps.secretFiles, 'secretFiles', SECRET_FILE_CALLS, reached),
  };
}

function wrapped<T extends object>(
  port: T,
  name: Port,
  calls: readonly (keyof T & string)[],
  reached: (point: Failpoint) => void,
): T {
  const known: ReadonlySet<PropertyKey> = new Set(calls);
  return new Proxy(port, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function' || !known.has(property)) return member;
      return async (...args: unknown[]) => {
        reached(`${name}.${String(property)}:before`);
        const answer: unknown = await Reflect.apply(member, target, args);
        reached(`${name}.${String(property)}:after`);
        return answer;
      };
    },
  });
}

/** `slurm.submit:after@2`: the second time it is passed. @returns undefined when it names no failpoint */
export function parseFailpoint(text: string): { readonly point: Failpoint; readonly time: number } | undefined {
  const [name = '', count = '1'] = text.split('@');
  const point = FAILPOINTS.find((known) => known === name);
  const time = Number(count);
  return point && Number.isInteger(time) && time > 0 ? { point, time } : undefined;
}
