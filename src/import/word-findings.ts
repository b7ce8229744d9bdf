import { type Authority, type Finding, left, type Setting } from './finding.ts';
import type { Word } from './shell/commands.ts';

/** Names the setting in a line of the script at hand. */
export type At = (key: string, line: number) => Setting;

/** The text is not told: a secret may be part of it. */
export const UNKNOWN = 'what it is comes out only when the script runs';

/** What words of a script come to, as far as they are known without running it. */
export function wordFindings(
  setting: Setting,
  words: readonly Word[],
  read: (said: { setting: Setting; words: readonly string[]; authority: Authority }) => readonly Finding[],
): readonly Finding[] {
  const unknown = words.find(({ certainty }) => certainty === 'unknown');
  if (unknown) return [left(setting, UNKNOWN)];
  const authority = words.some(({ certainty }) => certainty === 'fallback') ? 'fallback' : 'script';
  return read({ setting, words: words.map(({ text }) => text), authority });
}
