import { fieldsOf } from '../api/fields.ts';
import type { SpecProblem } from '../api/resource.ts';
import { Model, Spec } from '../api/spec.ts';
import { readSpec } from '../launch/read-spec.ts';
import { servedName } from '../launch/served.ts';
import { type Claim, type Left, left, type Setting } from './finding.ts';
import { once } from './once.ts';

/** A value in its place, and the setting it comes from. */
export type Placed = { readonly path: readonly (string | number)[]; readonly claim: Claim };

export type Assembled = {
  /** As a person would write it, in the order of the reference. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly placed: readonly Placed[];
  readonly left: readonly Left[];
  /** What is wrong with it that no single setting can be left out for. */
  readonly problems: readonly { readonly setting: Setting | undefined; readonly message: string }[];
};

/**
 * A spec from what won. What the spec's own parser refuses is taken out again, with its reason, until the rest is a
 * spec: a setting we have no room for costs that setting and not the deployment.
 */
export function assemble(claims: readonly Claim[]): Assembled {
  let standing = claims;
  let leftOut: readonly Left[] = [];
  for (;;) {
    const { spec, placed, left: unplaced } = build(standing);
    const read = readSpec(spec);
    const refused = read.ok ? [] : read.error;
    const blamed = new Map(refused.flatMap((one) => culprits(one, placed).map(({ claim }) => [claim, one] as const)));
    const needed = [...blamed.keys()].find(({ field }) => field === 'spec.model.uri');
    if (blamed.size === 0 || needed !== undefined)
      return {
        spec,
        placed,
        left: [...leftOut, ...unplaced],
        problems: refused.map((one) => ({ setting: needed?.setting, message: `${one.field} ${one.message}` })),
      };
    standing = standing.filter((claim) => !blamed.has(claim));
    leftOut = [...leftOut, ...[...blamed].map(([claim, one]) => left(claim.setting, `${one.field} ${one.message}`))];
  }
}

/** Those that filled the field, or the part of it, that is complained about. */
function culprits({ field }: SpecProblem, placed: readonly Placed[]): readonly Placed[] {
  const within = (outer: string, inner: string) =>
    inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
  const exact = placed.filter(({ path }) => within(pathText(path), field));
  return exact.length > 0 ? exact : placed.filter(({ path }) => within(field, pathText(path)));
}

/** `spec.engine.args[2]`. */
export function pathText(path: readonly (string | number)[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

type Built = Pick<Assembled, 'spec' | 'placed' | 'left'>;

function build(claims: readonly Claim[]): Built {
  const spec: Record<string, unknown> = {};
  const placed: Placed[] = [];
  const put = (field: string, value: unknown, ...from: readonly Claim[]) => {
    const path = field.split('.');
    setAt(spec, path.slice(1), value);
    for (const claim of from) placed.push({ path, claim });
  };
  const append = (field: string, values: readonly string[], claim: Claim) => {
    const path = field.split('.');
    const before = valueAt(spec, path.slice(1)) ?? [];
    setAt(spec, path.slice(1), [...before, ...values]);
    for (const i of values.keys()) placed.push({ path: [...path, before.length + i], claim });
  };

  const names = nameClaims(claims);
  for (const claim of inOrder(claims)) {
    const { field, value } = claim;
    if (field === 'spec.model.names') continue;
    const list = ['spec.engine.args', 'spec.slurm.extraArgs'].find((start) => field.startsWith(`${start}.`));
    const variable = /^spec\.engine\.env\.(.*)$/s.exec(field)?.[1];
    if (list) append(list, value as readonly string[], claim);
    else if (field === 'spec.runtime.modules') append(field, value as readonly string[], claim);
    else if (variable !== undefined) {
      setAt(spec, ['engine', 'env', variable], value);
      placed.push({ path: ['spec', 'engine', 'env', variable], claim });
    } else {
      // A directory alone would not be used.
      if (field === 'spec.runtime.venv') put('spec.runtime.type', 'venv', claim);
      put(field, value, claim);
    }
    if (field === 'spec.model.uri') {
      const [first, ...aliases] = names.good;
      if (first) put('spec.model.name', first.name, first.claim);
      for (const { name, claim: from } of aliases) append('spec.model.aliases', [name], from);
    }
  }
  // A name said twice is in the place of the first.
  const again = names.again.flatMap(({ name, claim }) =>
    placed.filter(({ path }) => nameAt(spec, path) === name).map(({ path }) => ({ path, claim })),
  );
  return { spec, placed: [...placed, ...again], left: names.left };
}

/** What is served under a path of `spec.model`; undefined elsewhere. */
function nameAt(spec: unknown, path: Placed['path']): unknown {
  const isName = path[1] === 'model' && (path[2] === 'name' || path[2] === 'aliases');
  return isName ? path.slice(1).reduce<unknown>((value, part) => Reflect.get(Object(value), part), spec) : undefined;
}

type Name = { readonly name: string; readonly claim: Claim };
type Names = { readonly good: readonly Name[]; readonly again: readonly Name[]; readonly left: readonly Left[] };
/** One, and the aliases the schema has room for. */
const MAX_NAMES = 17;

/**
 * What clients may ask for: the names the source gives, and behind them the one vLLM takes by itself, so that no client
 * of today is refused tomorrow.
 */
function nameClaims(claims: readonly Claim[]): Names {
  const uri = claims.find(({ field }) => field === 'spec.model.uri');
  const given = claims
    .filter(({ field }) => field === 'spec.model.names')
    .flatMap((claim) => (claim.value as readonly string[]).map((name) => ({ name, claim })));
  if (!uri || given.length === 0) return { good: [], again: [], left: [] };
  const own = {
    name: servedName({ model: { uri: String(uri.value), aliases: [], cache: { offline: false } } }),
    claim: uri,
  };
  const unique = once([...given, own], ({ name }) => name);
  const isName = ({ name }: Name) => Model.shape.name.safeParse(name).success;
  const good = unique.filter(isName).slice(0, MAX_NAMES);
  return {
    good,
    again: given.filter((one) => !unique.includes(one)),
    left: unique
      .filter((one) => !good.includes(one))
      .map(({ name, claim }) => left(claim.setting, `${JSON.stringify(name)} is no name a client can ask for`)),
  };
}

/** In the order of the reference; what has no line of its own there stands by its list. */
const POSITIONS = new Map(fieldsOf(Spec).map(({ path }, at) => [`spec.${path}`, at]));

function inOrder(claims: readonly Claim[]): readonly Claim[] {
  const position = ({ field }: Claim): number => {
    for (let part = field; part !== ''; part = part.slice(0, Math.max(0, part.lastIndexOf('.')))) {
      const at = POSITIONS.get(part);
      if (at !== undefined) return at;
    }
    return POSITIONS.size;
  };
  return claims
    .map((claim, at) => ({ claim, at, position: position(claim) }))
    .sort((a, b) => a.position - b.position || a.at - b.at)
    .map(({ claim }) => claim);
}

export function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  target[head] ??= {};
  setAt(target[head] as Record<string, unknown>, rest, value);
}

function valueAt(target: unknown, path: readonly string[]): readonly string[] | undefined {
  return path.reduce<unknown>(
    (value, part) => (value === undefined ? undefined : Reflect.get(Object(value), part)),
    target,
  ) as readonly string[] | undefined;
}
