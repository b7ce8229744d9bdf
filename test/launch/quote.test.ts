import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assignment, quote, quoteDirective } from '../../src/launch/quote.ts';

/** Any text a shell variable can hold, thick with what shells take for syntax. */
const nasty = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      ...'\'"`$(){}[]*?!~#&;|<>\\ \t\n\r=^%',
      '$(id)',
      '`id`',
      '$HOME',
      "'\\''",
      'ä',
      '😀',
      'a',
      '-',
      '~/',
    ),
  }),
);
const words = fc.array(
  nasty.filter((text) => !text.includes('\0') && text.isWellFormed()),
  { minLength: 1, maxLength: 40 },
);

describe('quoting for the shell', () => {
  it('any text comes out of a real bash as it went in, alone, in a list, and as a value', () => {
    fc.assert(
      fc.property(words, (texts) => {
        const script = `
set -u
${assignment('LIST', texts)}
${texts.map((text, index) => assignment(`V${index}`, text)).join('\n')}
printf '%s\\0' ${texts.map(quote).join(' ')} "\${LIST[@]}" ${texts.map((_, index) => `"$V${index}"`).join(' ')}
`;
        const output = execFileSync('bash', { input: script, encoding: 'utf8', env: { LC_ALL: 'C.UTF-8' } });
        assert.deepEqual(output.split('\0').slice(0, -1), [...texts, ...texts, ...texts]);
      }),
      { numRuns: 60 },
    );
  });

  it('plain words stay bare, so that a script can be read', () => {
    const cases = [
      ['vllm', 'vllm'],
      ['--max-model-len', '--max-model-len'],
      ['/opt/venv/bin', '/opt/venv/bin'],
      ['', "''"],
      ['two words', "'two words'"],
      ["it's", `'it'\\''s'`],
      ['=a', "'=a'"],
    ] as const;
    assert.deepEqual(
      cases.map(([text]) => quote(text)),
      cases.map(([, quoted]) => quoted),
    );
  });

  it('an empty list is an empty list and an empty text an empty word', () => {
    assert.deepEqual([assignment('A', []), assignment('B', ''), assignment('C', [''])], ['A=()', "B=''", "C=('')"]);
  });

  it('a NUL byte, which no shell word can hold, is a bug', () => {
    assert.throws(() => quote('a\0b'), /NUL/);
  });
});

describe('quoting for #SBATCH lines', () => {
  it('quotes what sbatch would cut apart, and nothing else', () => {
    const cases = [
      ['gpu:h100:4', 'gpu:h100:4'],
      ['a,b', 'a,b'],
      ['[a|b]&c*2', '[a|b]&c*2'],
      ['two words', '"two words"'],
      ['say "hi" \\ # no remark', '"say \\"hi\\" \\\\ # no remark"'],
    ] as const;
    assert.deepEqual(
      cases.map(([text]) => quoteDirective(text)),
      cases.map(([, quoted]) => quoted),
    );
  });

  it('a line break, which would begin another line, is a bug', () => {
    assert.throws(() => quoteDirective('a\n#SBATCH --uid=0'), /control character/);
  });
});
