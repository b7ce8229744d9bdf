import { z } from 'zod';
import type { SpecProblem } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';

/**
 * Which namespace may ask SLURM for what. Once there are rules, what no rule of a namespace lists is refused; a spec is
 * allowed when one rule alone allows all of it. `manifests/tenancy` says the same to the API server, in CEL.
 */

const ANY = '*';
/** No quotes and no backslash: the same words stand in a CEL expression. */
const word = () =>
  z
    .string()
    .min(1)
    .max(256)
    .regex(/^[A-Za-z0-9_.:@%+=/*-]+$/, 'must be one word, or *');
const words = (of = word()) => z.array(of).min(1).max(256).optional();

const Rule = z.strictObject({
  namespaces: z
    .array(
      z
        .string()
        .max(64)
        .regex(
          /^([a-z0-9]([-a-z0-9]*[a-z0-9])?|[-a-z0-9]*\*)$/,
          'must be a namespace, a beginning such as team-a-*, or *',
        ),
    )
    .min(1)
    .max(256),
  clusters: words(),
  accounts: words(),
  partitions: words(),
  qos: words(),
  reservations: words(),
  paths: words(word().regex(/^\/(.*[^/])?$/, 'must be an absolute path without a slash at the end')),
  extraArgs: words(word().regex(/^(--[a-z][a-z0-9-]*|\*)$/, 'must be an option of sbatch such as --exclusive, or *')),
  engineArgs: words(word().regex(/^(--?[A-Za-z][A-Za-z0-9_.-]*|\*)$/, 'must be an option of the engine, or *')),
  environment: words(word().regex(/^([A-Za-z_][A-Za-z0-9_]*|\*)$/, 'must be the name of a variable, or *')),
  trustRemoteCode: z.boolean().optional(),
  maxReplicas: z.int().min(0).max(512).optional(),
});
type Rule = z.output<typeof Rule>;

export const Tenancy = z.strictObject({ rules: z.array(Rule).max(1000) });
export type Tenancy = z.output<typeof Tenancy>;

/** What is left of the rules on one cluster. */
export function tenancyOn({ rules }: Tenancy, cluster: string): Tenancy {
  return { rules: rules.filter(({ clusters }) => !clusters || clusters.includes(cluster) || clusters.includes(ANY)) };
}

/** @returns what stands against it by the rule that comes nearest; empty: one of them allows it */
export function whyNotAllowed(spec: Spec, namespace: string, { rules }: Tenancy): readonly SpecProblem[] {
  const own = rules.filter(({ namespaces }) => namespaces.some((pattern) => isNamed(namespace, pattern)));
  if (own.length === 0)
    return [{ field: 'metadata.namespace', message: `the operator has no rule that gives ${namespace} anything` }];
  const verdicts = own.map((rule) => CHECKS.flatMap((check) => check(spec, rule)));
  return verdicts.reduce((nearest, verdict) => (verdict.length < nearest.length ? verdict : nearest));
}

function isNamed(namespace: string, pattern: string): boolean {
  return pattern.endsWith(ANY) ? namespace.startsWith(pattern.slice(0, -1)) : namespace === pattern;
}

type Check = (spec: Spec, rule: Rule) => readonly SpecProblem[];

const CHECKS: readonly Check[] = [
  ({ slurm }, { accounts }) => named('spec.slurm.account', slurm.account, accounts),
  ({ slurm }, { partitions }) =>
    slurm.partitions.length === 0
      ? named('spec.slurm.partitions', undefined, partitions)
      : listed('spec.slurm.partitions', slurm.partitions, partitions),
  ({ slurm }, { qos }) => named('spec.slurm.qos', slurm.qos, qos),
  ({ slurm }, { reservations }) =>
    slurm.reservation === undefined ? [] : named('spec.slurm.reservation', slurm.reservation, reservations),
  ({ slurm }, { extraArgs }) => listed('spec.slurm.extraArgs', slurm.extraArgs.map(optionOf), extraArgs),
  ({ engine }, { engineArgs }) => listed('spec.engine.args', engine.args.filter(isOption).map(optionOf), engineArgs),
  ({ engine }, { environment }) => listed('spec.engine.env', Object.keys(engine.env), environment),
  ({ engine }, { trustRemoteCode }) =>
    engine.trustRemoteCode && !trustRemoteCode ? [problem('spec.engine.trustRemoteCode', 'must be false')] : [],
  (spec, { paths }) => pathsOf(spec).flatMap(([field, path]) => within(field, path, paths)),
  ({ replicas }, { maxReplicas }) =>
    maxReplicas !== undefined && replicas > maxReplicas
      ? [problem('spec.replicas', `must be at most ${maxReplicas}`)]
      : [],
];

const problem = (field: string, message: string): SpecProblem => ({ field, message });

/** A list must be named from; without one the field has to be left to the operator's own settings. */
function named(
  field: string,
  value: string | undefined,
  allowed: readonly string[] | undefined,
): readonly SpecProblem[] {
  if (allowed === undefined) return value === undefined ? [] : [problem(field, 'must be left out')];
  if (allowed.includes(ANY) || (value !== undefined && allowed.includes(value))) return [];
  return [problem(field, `must be ${allowed.join(' or ')}`)];
}

function listed(field: string, values: readonly string[], allowed: readonly string[] = []): readonly SpecProblem[] {
  if (allowed.includes(ANY)) return [];
  const others = values.filter((value) => !allowed.includes(value));
  if (others.length === 0) return [];
  const which = allowed.length === 0 ? '' : `; allowed: ${allowed.join(', ')}`;
  return [problem(field, `must not hold ${[...new Set(others)].join(', ')}${which}`)];
}

const optionOf = (text: string): string => text.split('=', 1)[0] ?? text;
/** A word that begins so is an option, unless it is a number below zero. */
const isOption = (text: string): boolean => /^-[^0-9]/.test(text);

function pathsOf({ model, runtime }: Spec): readonly (readonly [field: string, path: string])[] {
  const found: readonly (readonly [string, string | undefined])[] = [
    ['spec.model.uri', model.uri.startsWith('file://') ? model.uri.slice('file://'.length) : undefined],
    ['spec.model.cache.path', model.cache.path],
    ['spec.runtime.venv', runtime.venv],
  ];
  return found.flatMap(([field, path]) => (path === undefined ? [] : [[field, path] as const]));
}

/** By its text: where a link leads is for the file system's own rights to say. */
function within(field: string, path: string, allowed: readonly string[] = []): readonly SpecProblem[] {
  if (/(^|\/)\.\.(\/|$)/.test(path)) return [problem(field, 'must not hold ..')];
  if (allowed.some((root) => root === '/' || path === root || path.startsWith(`${root}/`))) return [];
  return [problem(field, allowed.length === 0 ? 'must not name a path' : `must lie within ${allowed.join(' or ')}`)];
}
