import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readScript } from '../../src/import/shell/commands.ts';

/** `?` marks what only a run would tell, `~` what counts where nobody says another. */
const MARKS = { said: '', fallback: '~', unknown: '?' } as const;

function commandsOf(script: string): readonly string[] {
  return readScript(script, { HOME: '/home/ada' }).commands.map(({ line, words }) =>
    [`${line}:`, ...words.map(({ text, certainty }) => `${MARKS[certainty]}${text}`)].join(' '),
  );
}

function exportsOf(script: string): readonly string[] {
  return readScript(script, {}).exported.map(
    ({ name, value }) => `${value.line}: ${name}=${MARKS[value.certainty]}${value.text}`,
  );
}

const $ = (rest: string): string => `$${rest}`;

const cases: readonly [title: string, script: string, commands: readonly string[]][] = [
  ['words, quotes and what they keep', `a 'b c' "d e" f\\ g ''`, ['1: a b c d e f g ']],
  ['lines that go on, also into nothing', 'a \\\n  b \\\n', ['1: a b']],
  ['remarks, but not within words', 'a b#c # d\n# e f\ng', ['1: a b#c', '3: g']],
  ['several commands a line', 'a; b && c | d & e', ['1: a', '1: b', '1: c', '1: d', '1: e']],
  ['no redirections', 'a >out 2>&1 <in b &>>all c >> x d', ['1: a b c d']],
  ['no text of a here-document', "a <<EOF b\nvllm serve x\nEOF\nc <<-'END'\n x\n\tEND\nd", ['1: a b', '4: c', '7: d']],
  ['no here-string', 'a <<< "b c" d', ['1: a d']],
  ['variables', `X=1 Y="a b"\nc $X ${$('{Y}')} "$Y" '$X'`, ['2: c 1 a b a b $X']],
  ['what a variable is when it is used', 'X=1\na $X\nX=2\na $X', ['2: a 1', '4: a 2']],
  ['variables nobody set', `a $X "${$('{Y}')}"`, [`1: a ?$X ?${$('{Y}')}`]],
  [
    'fallbacks',
    `a ${$('{X:-1}')} ${$('{HOME:-2}')} "${$('{X:-b c}')}" ${$('{X:-$Y}')}`,
    ['1: a ~1 /home/ada ~b c ?$Y'],
  ],
  [
    'what is worked out',
    `a $(b "c)" d) \`e f\` $((1 + 2)) ${$('{X%.sh}')} $1 "$@"`,
    [`1: a ?$(b "c)" d) ?\`e f\` ?$((1 + 2)) ?${$('{X%.sh}')} ?$1 ?$@`],
  ],
  [
    'arrays, in the lines they are written in',
    `A=(\n  b # c\n  "d e"\n)\nA+=(f)\ng "${$('{A[@]}')}" h`,
    ['6: g b d e f h'],
  ],
  ['words of a variable without quotes', 'A="--b c"\nd $A', ['2: d --b c']],
  ['text put together of several variables', `A=x\na "$A/y" $A-z ${$('{A}')}w`, ['2: a x/y x-z xw']],
  ['the home directory', 'V=~/v\na $V ~/x ~ "~/y" b~', ['2: a /home/ada/v /home/ada/x /home/ada ~/y b~']],
  ['a variable that grows', 'A=x\nA+=y\na $A', ['3: a xy']],
  [
    'what is set under a condition is a fallback',
    'if [ -z "$P" ]; then\n  P=1\nfi\nP2=2\na $P $P2',
    ['1: [ -z ?$P ]', '5: a ~1 2'],
  ],
  [
    'commands under a condition',
    'if a; then b; elif c; then d; else e; fi; f',
    ['1: a', '1: b', '1: c', '1: d', '1: e', '1: f'],
  ],
  ['dollar signs that are none', `a $ "b $" 5$`, ['1: a $ b $ 5$']],
  ['what never ends', `a "b\nc`, ['1: a b\nc']],
];

describe('a batch script is read for', () => {
  for (const [title, script, commands] of cases) it(title, () => assert.deepEqual(commandsOf(script), commands));

  it('what it exports, however', () => {
    const script = [
      'export A=1 B="b c"',
      'C=3; export C',
      'declare -x D=4',
      'E=5',
      'export F=$A$E G=$(date)',
      'C=6',
      'H=7 vllm serve x',
    ].join('\n');
    assert.deepEqual(exportsOf(script), [
      '1: A=1',
      '1: B=b c',
      '2: C=3',
      '3: D=4',
      '5: F=15',
      '5: G=?$(date)',
      '6: C=6',
      '7: H=7',
    ]);
  });
});
