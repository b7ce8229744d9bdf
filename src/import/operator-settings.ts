import { Settings } from '../config.ts';
import { type Placed, setAt } from './assemble.ts';
import type { Claim, Left } from './finding.ts';
import { left } from './finding.ts';

/** What of the sections for every model is a setting of the operator's, and not a line in each deployment. */
const SETTING_OF: Readonly<Record<string, string>> = {
  'settings.logDirectory': 'logDirectory',
  'spec.slurm.account': 'defaults.account',
  'spec.slurm.qos': 'defaults.qos',
  'spec.slurm.time': 'defaults.time',
  'spec.slurm.partitions': 'defaults.partitions',
};

/** Where a claim belongs among the operator's settings; undefined for what each deployment says itself. */
export function settingOf({ field, authority }: Claim): string | undefined {
  if (field.startsWith('settings.')) return SETTING_OF[field];
  return authority === 'default' ? SETTING_OF[field] : undefined;
}

export type OperatorSettings = {
  readonly values: Readonly<Record<string, unknown>>;
  readonly placed: readonly Placed[];
  readonly left: readonly Left[];
};

/** Deployments lie beside the settings file. What the settings refuse is left out, with their reason. */
export function operatorSettings(claims: readonly Claim[], directory: string): OperatorSettings {
  const values: Record<string, unknown> = { directory };
  const placed: Placed[] = [];
  const leftOut: Left[] = [];
  const wanted = Object.values(SETTING_OF).flatMap((setting) =>
    claims.filter((claim) => settingOf(claim) === setting).map((claim) => ({ setting, claim })),
  );
  for (const { setting, claim } of wanted) {
    const path = setting.split('.');
    const alone: Record<string, unknown> = {};
    setAt(alone, path, claim.value);
    const read = Settings.safeParse(alone);
    if (read.success) {
      setAt(values, path, claim.value);
      placed.push({ path, claim });
    } else leftOut.push(left(claim.setting, `${setting} ${read.error.issues[0]?.message}`));
  }
  return { values, placed, left: leftOut };
}
