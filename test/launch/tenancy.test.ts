import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Catalog, EMPTY_CATALOG } from '../../src/api/catalog.ts';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { specsByPlace } from '../../src/launch/places.ts';
import { TenancyFile, tenancyOn, whyNotAllowed } from '../../src/launch/tenancy.ts';
import { NOT_ALLOWED, SOME_RULES, TENANCY_CASES } from './tenancy-cases.ts';

const LEAST = { model: { uri: 'hf://org/model' } };

/** What stands against it, a line each. */
function against(
  namespace: string,
  spec: Partial<SpecInput>,
  rules: unknown = SOME_RULES,
  catalog: Catalog = EMPTY_CATALOG,
): readonly string[] {
  const tenancy = tenancyOn(TenancyFile.parse(rules), 'alps', catalog);
  return specsByPlace(Spec.parse({ ...LEAST, ...spec })).flatMap((at) =>
    whyNotAllowed(at, namespace, tenancy).map(({ field, message }) => `${field}: ${message}`),
  );
}

describe('the rules of namespaces', () => {
  for (const { what, namespace, spec, says } of TENANCY_CASES) {
    it(`${what}: ${says === undefined ? 'allowed' : 'refused'}`, () => {
      assert.deepEqual(against(namespace, spec), says ?? []);
    });
  }

  it('are of the clusters they name, and of all where they name none', () => {
    const rules = TenancyFile.parse({
      rules: [
        { namespaces: ['a'], clusters: ['alps'] },
        { namespaces: ['b'], clusters: ['*'] },
        { namespaces: ['c'] },
        { namespaces: ['d'], clusters: ['jura'] },
      ],
    });
    assert.deepEqual(
      tenancyOn(rules, 'alps', EMPTY_CATALOG).rules.flatMap(({ namespaces }) => namespaces),
      ['a', 'b', 'c'],
    );
  });

  it('are about what a person asks for: what a preset of the operator says is given', () => {
    const parts = {
      model: { uri: 'file:///shared/catalog/m' },
      slurm: { extraArgs: ['--gpu-bind=closest'] },
      engine: { args: ['--swap-space=1'], env: { A: 'b' }, trustRemoteCode: true },
    };
    const catalog = {
      entries: new Map([['m', { name: 'm', file: 'm.yaml', preset: { spec: parts } }]]),
      broken: new Map(),
    } as unknown as Catalog;
    const rules = { rules: [{ namespaces: ['team-a'] }] };
    assert.deepEqual(against('team-a', { ...parts, preset: 'm' }, rules, catalog), []);
    const edited = {
      ...parts,
      preset: 'm',
      engine: { ...parts.engine, args: ['--swap-space=2'], env: { A: 'b', C: 'd' } },
    };
    assert.deepEqual(against('team-a', edited, rules, catalog), [
      'spec.engine.args: must not hold --swap-space',
      'spec.engine.env: must not hold C',
    ]);
    assert.equal(against('team-a', parts, rules, catalog).length, 5);
  });

  it('without any rule left nobody is given anything', () => {
    assert.deepEqual(against('team-a', {}, { rules: [] }), [`metadata.namespace: ${NOT_ALLOWED('team-a')}`]);
  });

  it('are refused as a whole when a word in them could be no such thing, or end a string of CEL', () => {
    const wrong = [
      { namespaces: [] },
      { namespaces: ['a*b'] },
      { namespaces: ['a'], account: ['x'] },
      { namespaces: ['a'], accounts: ["x'] "] },
      { namespaces: ['a'], accounts: [] },
      { namespaces: ['a'], paths: ['shared'] },
      { namespaces: ['a'], paths: ['/shared/'] },
      { namespaces: ['a'], extraArgs: ['exclusive'] },
      { namespaces: ['a'], engineArgs: ['--a=b'] },
      { namespaces: ['a'], maxReplicas: -1 },
    ];
    assert.deepEqual(
      wrong.filter((rule) => TenancyFile.safeParse({ rules: [rule] }).success),
      [],
    );
  });
});
