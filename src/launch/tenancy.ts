import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Catalog } from '../api/catalog.ts';
import type { SpecProblem } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import { registryOf } from './container.ts';

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
  images: words(
    word().regex(
      /^((docker|oras):\/\/[A-Za-z0-9_.:@/-]+\*?|\*)$/,
      'must be an image of a registry, a beginning such as docker://vllm/*, or *',
    ),
  ),
  extraArgs: words(word().regex(/^(--[a-z][a-z0-9-]*|\*)$/, 'must be an option of sbatch such as --exclusive, or *')),
  engineArgs: words(word().regex(/^(--?[A-Za-z][A-Za-z0-9_.-]*|\*)$/, 'must be an option of the engine, or *')),
  environment: words(word().regex(/^([A-Za-z_][A-Za-z0-9_]*|\*)$/, 'must be the name of a variable, or *')),
  trustRemoteCode: z.boolean().optional(),
  maxReplicas: z.int().min(0).max(512).optional(),
});
type Rule = z.output<typeof Rule>;

export const TenancyFile = z.strictObject({ rules: z.array(Rule).max(1000) });
export type TenancyFile = z.output<typeof TenancyFile>;

/** Rules as they are judged by. */
export type Tenancy = {
  readonly rules: readonly Rule[];
  /** What a preset of the operator's catalog says of a spec, by its name: nobody asked for that. */
  readonly presets: ReadonlyMap<string, Fields>;
};
type Fields = Readonly<Record<string, unknown>>;

/** The rules that count on one cluster. */
export function tenancyOn({ rules }: TenancyFile, cluster: string, { entries }: Pick<Catalog, 'entries'>): Tenancy {
  return {
    rules: rules.filter(({ clusters }) => !clusters || clusters.includes(cluster) || clusters.includes(ANY)),
    presets: new Map([...entries].map(([name, { preset }]) => [name, preset.spec])),
  };
}

/** @returns what stands against it by the rule that comes nearest; empty: one of them allows it */
export function whyNotAllowed(spec: Spec, namespace: string, { rules, presets }: Tenancy): readonly SpecProblem[] {
  const own = rules.filter(({ namespaces }) => namespaces.some((pattern) => isNamed(namespace, pattern)));
  if (own.length === 0)
    return [{ field: 'metadata.namespace', message: `the operator has no rule that gives ${namespace} anything` }];
  const asked = askedFor(spec, presets.get(spec.preset ?? '') ?? {});
  const verdicts = own.map((rule) => CHECKS.flatMap((check) => check(asked, rule)));
  return verdicts.reduce((nearest, verdict) => (verdict.length < nearest.length ? verdict : nearest));
}

function isNamed(name: string, pattern: string): boolean {
  return pattern.endsWith(ANY) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The part of a spec that rules are about, as its person wrote it. */
type Asked = {
  readonly account: string | undefined;
  readonly partitions: readonly string[];
  readonly partitionsField: string;
  readonly qos: string | undefined;
  readonly reservation: string | undefined;
  readonly extraArgs: readonly string[];
  readonly engineArgs: readonly string[];
  readonly environment: readonly string[];
  readonly trustRemoteCode: boolean;
  readonly paths: readonly (readonly [field: string, path: string])[];
  /** Of a registry; one that is a path is among `paths`. */
  readonly image: string | undefined;
  readonly replicas: number;
};

function askedFor({ slurm, engine, model, runtime, replicas }: Spec, given: Fields): Asked {
  const own = <T>(value: T, ...at: readonly string[]): T | undefined =>
    isDeepStrictEqual(
      value,
      at.reduce<unknown>((part, name) => (part as Fields | undefined)?.[name], given),
    )
      ? undefined
      : value;
  const uri = own(model.uri, 'model', 'uri');
  const image = own(runtime.image, 'runtime', 'image');
  const isFetched = image !== undefined && registryOf(image) !== undefined;
  const mounts = own(runtime.mounts, 'runtime', 'mounts') ?? [];
  const paths: readonly (readonly [string, string | undefined])[] = [
    ['spec.model.uri', uri?.startsWith(LOCAL) ? uri.slice(LOCAL.length) : undefined],
    ['spec.model.cache.path', own(model.cache.path, 'model', 'cache', 'path')],
    ['spec.runtime.venv', own(runtime.venv, 'runtime', 'venv')],
    ['spec.runtime.image', isFetched ? undefined : image],
    ...mounts.map((mount, at) => [`spec.runtime.mounts[${at}]`, mount.split(':', 1)[0]] as const),
  ];
  return {
    account: own(slurm.account, 'slurm', 'account'),
    partitions: own(slurm.partitions, 'slurm', 'partitions') ?? [],
    partitionsField: slurm.places ? 'spec.slurm.places' : 'spec.slurm.partitions',
    qos: own(slurm.qos, 'slurm', 'qos'),
    reservation: own(slurm.reservation, 'slurm', 'reservation'),
    extraArgs: (own(slurm.extraArgs, 'slurm', 'extraArgs') ?? []).map(optionOf),
    engineArgs: (own(engine.args, 'engine', 'args') ?? []).filter(isOption).map(optionOf),
    environment: Object.entries(engine.env).flatMap(([name, value]) =>
      own(value, 'engine', 'env', name) === undefined ? [] : [name],
    ),
    trustRemoteCode: own(engine.trustRemoteCode, 'engine', 'trustRemoteCode') ?? false,
    paths: paths.flatMap(([field, path]) => (path === undefined ? [] : [[field, path] as const])),
    image: isFetched ? image : undefined,
    replicas,
  };
}

const LOCAL = 'file://';

type Check = (asked: Asked, rule: Rule) => readonly SpecProblem[];

const CHECKS: readonly Check[] = [
  ({ account }, { accounts }) => named('spec.slurm.account', account, accounts),
  (asked, { partitions }) =>
    asked.partitions.length === 0
      ? named(asked.partitionsField, undefined, partitions)
      : listed(asked.partitionsField, asked.partitions, partitions),
  (asked, { qos }) => named('spec.slurm.qos', asked.qos, qos),
  ({ reservation }, { reservations }) =>
    reservation === undefined ? [] : named('spec.slurm.reservation', reservation, reservations),
  (asked, { extraArgs }) => listed('spec.slurm.extraArgs', asked.extraArgs, extraArgs),
  (asked, { engineArgs }) => listed('spec.engine.args', asked.engineArgs, engineArgs),
  (asked, { environment }) => listed('spec.engine.env', asked.environment, environment),
  (asked, { trustRemoteCode }) =>
    asked.trustRemoteCode && !trustRemoteCode ? [problem('spec.engine.trustRemoteCode', 'must be false')] : [],
  (asked, { paths }) => asked.paths.flatMap(([field, path]) => within(field, path, paths)),
  ({ image }, { images = [] }) =>
    image === undefined || images.some((pattern) => isNamed(image, pattern))
      ? []
      : [
          problem(
            'spec.runtime.image',
            images.length === 0 ? 'must not name an image of a registry' : `must be ${images.join(' or ')}`,
          ),
        ],
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

/** By its text: where a link leads is for the file system's own rights to say. */
function within(field: string, path: string, allowed: readonly string[] = []): readonly SpecProblem[] {
  if (/(^|\/)\.\.(\/|$)/.test(path)) return [problem(field, 'must not hold ..')];
  if (allowed.some((root) => root === '/' || path === root || path.startsWith(`${root}/`))) return [];
  return [problem(field, allowed.length === 0 ? 'must not name a path' : `must lie within ${allowed.join(' or ')}`)];
}
