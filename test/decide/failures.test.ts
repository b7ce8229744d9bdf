import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { FailureRule } from '../../src/decide/failure-rule.ts';
import { classify, type End, FAILURES, type FailureReason } from '../../src/decide/failures.ts';
import { fieldsNamedBy, isField } from './fields.ts';

type Example = { readonly from: string; readonly end: Partial<End> & Pick<End, 'end' | 'slurm'> };
/** One file a row, of ends as they were recorded; what a row does not look at is left out. */
type Fixture = { readonly reason: FailureReason; readonly examples: readonly Example[] };

const FOLDER = new URL('../fixtures/failures/', import.meta.url);
const fixtures = readdirSync(FOLDER)
  .sort()
  .map((file) => ({ file, ...(JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Fixture) }));
const rules: readonly FailureRule[] = FAILURES;

const UNSAID = { exitCode: undefined, signal: undefined, why: undefined, named: undefined, logTail: undefined };
const rowOf = ({ end }: Pick<Example, 'end'>): number => rules.indexOf(classify({ ...UNSAID, ...end }));

/** Logs of vLLM 0.32.0 that did not start. */
const LOGS = new URL('../fixtures/launch/vllm-failures/', import.meta.url);
const RECORDED: Readonly<Record<string, FailureReason>> = {
  'bad-quantization': 'Misconfigured',
  'hub-offline': 'Misconfigured',
  'hub-unreachable': 'HubUnavailable',
  'kv-too-small': 'OutOfMemory',
  'len-too-big': 'Misconfigured',
  'missing-model': 'Misconfigured',
  'no-kv-memory': 'OutOfMemory',
  'no-vllm-module': 'Misconfigured',
  'port-in-use': 'PortInUse',
  'tp-not-divisible': 'Misconfigured',
  'truncated-weights': 'Misconfigured',
  'unknown-flag': 'Misconfigured',
  'unknown-reasoning-parser': 'Misconfigured',
  'unknown-tool-parser': 'Misconfigured',
  'unsupported-arch': 'Misconfigured',
};

describe('what an end means', () => {
  for (const { file, reason, examples } of fixtures) {
    for (const example of examples) {
      it(`${file}: ${example.from} is ${reason}`, () => assert.equal(rules[rowOf(example)]?.reason, reason));
    }
    it(`${file}: one row decides all its examples`, () => assert.equal(new Set(examples.map(rowOf)).size, 1));
  }

  for (const [row, rule] of rules.entries()) {
    it(`row ${row}, ${rule.reason} from ${rule.source}, has an example that no earlier row steals`, () => {
      const rows = fixtures.flatMap(({ examples }) => examples.map(rowOf));
      assert.ok(rows.includes(row));
    });
  }

  for (const [name, reason] of Object.entries(RECORDED)) {
    it(`is ${reason} where vLLM's whole log is ${name}.log`, () => {
      const logTail = readFileSync(new URL(`${name}.log`, LOGS), 'utf8');
      const exitCode = name === 'hub-unreachable' ? 65 : name === 'port-in-use' ? 66 : 64;
      const row = rowOf({ end: { end: 'FAILED', exitCode, signal: 0, slurm: 'NonZeroExitCode', logTail } });
      const named = rules[row]?.source.includes(`${name}.log`);
      assert.deepEqual({ reason: rules[row]?.reason, named }, { reason, named: exitCode !== 66 });
    });
  }
  it('is known of every recorded log', () =>
    assert.deepEqual(
      readdirSync(LOGS).sort(),
      Object.keys(RECORDED).map((name) => `${name}.log`),
    ));

  it('is decided by the last row when no other knows it', () => {
    assert.deepEqual(rules.at(-1)?.match, {});
    assert.equal(rules.filter(({ match }) => Object.keys(match).length === 0).length, 1);
  });

  it('reads a limit of size or time as a refusal, although SLURM’s sentence speaks of a submit limit too', () => {
    const slurm = `QOSMaxWallDurationPerJobLimit
Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)`;
    const end = { ...UNSAID, end: 'REJECTED', slurm } as const;
    assert.equal(classify(end).reason, 'SubmissionRejected');
  });

  it('never blames the node and keeps the budget whole for what a person has to correct', () => {
    for (const rule of rules.filter(({ retry }) => retry === 'never')) {
      assert.deepEqual({ blame: rule.blame, advice: typeof rule.advice }, { blame: 'configuration', advice: 'string' });
    }
  });

  it('tries at once again only what lands elsewhere, has served before, or lost somebody', () => {
    const atOnce = rules.filter(({ retry, blame }) => retry === 'now' && blame === 'transient');
    assert.deepEqual(
      atOnce.map(({ reason }) => reason),
      ['WalltimeReached', 'CommunicationFailed', 'EngineHung', 'EngineFailed'],
    );
  });

  it('advises the setting of the operator where no field of the spec would help', () => {
    const advised = rules.filter(({ advice }) => advice?.includes('the setting secretDirectory'));
    assert.deepEqual(
      advised.map(({ reason, match }) => [reason, match.ends?.[0] ?? match.exitCodes?.[0]]),
      [
        ['SecretNotPlaced', 'NOT_PLACED'],
        ['Misconfigured', 64],
      ],
    );
  });

  it('advises in fields that exist', () => {
    const fields = rules.flatMap(({ advice, summary }) => fieldsNamedBy(`${advice ?? ''} ${summary}`));
    assert.ok(fields.length > 0);
    assert.deepEqual(
      fields.filter((field) => !isField(field)),
      [],
    );
  });
});
