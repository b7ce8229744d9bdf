import { startSshBed } from '../test/live/ssh-bed/bed.ts';
import { forced } from '../test/live/ssh-bed/wire.ts';
import { onOccupiedBed } from './cluster.ts';
import { deploymentNames } from './fleet.ts';
import { aimed, median, type Row, told } from './report.ts';
import { byOperator } from './submission.ts';

/** Seconds, from before the first file is written until every status file names its job. */
export type SshRound = { readonly here: number; readonly overSsh: number };

export type SshMeasured = { readonly deployments: number; readonly rounds: readonly SshRound[] };

const AIM = 1.2;

/** The same operator, its commands here and behind an sshd on loopback, by a restricted key; who goes first changes. */
export async function sshRound(deployments: number, round: number): Promise<SshRound> {
  const names = deploymentNames(0, deployments);
  const here = () => onOccupiedBed((ground) => byOperator(ground, names));
  if (round % 2 === 0) {
    const overSsh = await behindSsh(names);
    return { overSsh, here: await here() };
  }
  const seconds = await here();
  return { here: seconds, overSsh: await behindSsh(names) };
}

function behindSsh(names: readonly string[]): Promise<number> {
  return onOccupiedBed(async (ground) => {
    const sshd = await startSshBed({
      environment: ground.bed.env,
      keyOptions: forced('restrict'),
    });
    try {
      return await byOperator(ground, names, [
        `cluster.ssh.host=${sshd.host}`,
        `cluster.ssh.configFile=${sshd.configFile}`,
        'cluster.ssh.files=false',
      ]);
    } finally {
      await sshd.stop();
    }
  });
}

export function sshRowsOf({ deployments, rounds }: SshMeasured): readonly Row[] {
  const ratio = median(rounds.map(({ here, overSsh }) => overSsh / here));
  const each = (pick: (round: SshRound) => number) => rounds.map((round) => pick(round).toFixed(2)).join(', ');
  return [
    told(
      `${deployments} files to ${deployments} known jobs over ssh, s`,
      each(({ overSsh }) => overSsh),
    ),
    told(
      'the same with the commands here, s',
      each(({ here }) => here),
    ),
    aimed('ratio, median of the rounds', `≤ ${AIM.toFixed(2)}`, ratio.toFixed(2), ratio <= AIM),
  ];
}
