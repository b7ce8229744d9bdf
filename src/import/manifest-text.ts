import { Document, isScalar } from 'yaml';
import { API_VERSION, KIND } from '../api/resource.ts';
import type { Placed } from './assemble.ts';
import { type Left, placeText } from './finding.ts';
import type { OperatorSettings } from './operator-settings.ts';

type Deployment = {
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly placed: readonly Placed[];
  readonly left: readonly Left[];
};

/** The file of a deployment: each value with the line it comes from, and what was not carried at its head. */
export function deploymentText({ name, spec, placed, left }: Deployment, from: string): string {
  const document = new Document({ apiVersion: API_VERSION, kind: KIND, metadata: { name }, spec });
  return written(document, placed, [
    `Imported from ${from}.`,
    ...(left.length > 0 ? ['Not carried:'] : []),
    ...left.map(({ setting, why }) => `- ${setting.key} (${placeText(setting.place)}): ${why}`),
  ]);
}

export function settingsText({ values, placed }: OperatorSettings, from: string): string {
  return written(new Document(values), placed, [
    `Imported from ${from}: the settings of the operator that has none of its own below.`,
    'Every setting there is, with its default: config/operator.yaml of the package.',
  ]);
}

/** What a source says may hold line breaks, which would end a comment. */
function written(document: Document, placed: readonly Placed[], head: readonly string[]): string {
  document.commentBefore = head.map((line) => ` ${comment(line)}`).join('\n');
  for (const { path, claim } of placed) {
    const node = document.getIn(path, true);
    if (isScalar(node)) node.comment = ` ${comment(`${claim.setting.key}, ${placeText(claim.setting.place)}`)}`;
  }
  return document.toString({ lineWidth: 0 });
}

const comment = (text: string): string => text.replace(/\p{Cc}+/gu, ' ').trim();
