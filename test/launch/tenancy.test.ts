import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { Tenancy, tenancyOn, whyNotAllowed } from '../../src/launch/tenancy.ts';
import { NOT_ALLOWED, SOME_RULES, TENANCY_CASES } from './tenancy-cases.ts';

const LEAST = { model: { uri: 'hf://org/model' } };

/** What stands against it, a line each. */
function against(namespace: string, spec: Partial<SpecInput>, rules: unknown = SOME_RULES): readonly string[] {
  return whyNotAllowed(Spec.parse({ ...LEAST, ...spec }), namespace, Tenancy.parse(rules)).map(
    ({ field, message }) => `${field}: ${message}`,
  );
}

describe('the rules of namespaces', () => {
  for (const { what, namespace, spec, says } of TENANCY_CASES) {
    it(`${what}: ${says === undefined ? 'allowed' : 'refused'}`, () => {
      assert.deepEqual(against(namespace, spec), says ?? []);
    });
  }

  it('are of the clusters they name, and of all where they name none', () => {
    const rules = Tenancy.parse({
      rules: [
        { namespaces: ['a'], clusters: ['alps'] },
        { namespaces: ['b'], clusters: ['*'] },
        { namespaces: ['c'] },
        { namespaces: ['d'], clusters: ['jura'] },
      ],
    });
    assert.deepEqual(
      tenancyOn(rules, 'alps').rules.flatMap(({ namespaces }) => namespaces),
      ['a', 'b', 'c'],
    );
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
      wrong.filter((rule) => Tenancy.safeParse({ rules: [rule] }).success),
      [],
    );
  });
});
