import { Command } from 'commander';
import { eachCluster } from '../config.ts';
import { examine, type Report } from '../doctor/checks.ts';
import type { Finding } from '../doctor/finding.ts';
import { type Cli, EXIT, examples, paint, print, printable, say, wholeNumber } from './cli.ts';
import { gatherFacts } from './doctor/gather.ts';
import { type Loaded, withSettings } from './global-options.ts';
import { type GoodClaim, withManifests } from './manifest-file.ts';
import { settingsOf } from './open-clusters.ts';

type DoctorOptions = {
  readonly filename?: string;
  readonly job?: true;
  readonly jobTimeout: number;
  readonly online?: true;
  readonly json?: true;
};

export function doctorCommand(cli: Cli): Command {
  const command = new Command('doctor')
    .description('look at the site, and at what deployments ask of it, before the first model; nothing is changed')
    .option('-f, --filename <file>', 'look at the deployments of this file too; - is stdin')
    .option('--job', 'submit a small job, to see the site as a compute node does')
    .option('--job-timeout <seconds>', 'how long that job may wait and run', wholeNumber(1), 120)
    .option('--online', 'ask the hub whether it gives the models')
    .option('--json', 'as JSON')
    .action(async (options: DoctorOptions, self: Command) =>
      cli.exit(
        await withSettings(cli, self, (loaded) =>
          options.filename === undefined
            ? doctor(cli, loaded, [], options)
            : withManifests(cli, options.filename, loaded.catalog, (claims) => doctor(cli, loaded, claims, options)),
        ),
      ),
    );
  return examples(command, [
    ['vllm-slurm doctor', 'commands, controller, partitions, accounts, directories'],
    ['vllm-slurm doctor --job -f qwen.yaml', 'the same for a deployment to be, as a node sees it'],
    ["vllm-slurm doctor --json | jq '.findings'", 'for scripts; it exits 1 when there is an error'],
  ]);
}

async function doctor(cli: Cli, loaded: Loaded, claims: readonly GoodClaim[], options: DoctorOptions): Promise<number> {
  const examined: (Report & { readonly cluster?: string | undefined })[] = [];
  for (const settings of eachCluster(loaded.settings)) {
    const facts = await gatherFacts(
      cli,
      { ...loaded, settings },
      {
        claims,
        isHere: (deployment) => settingsOf(loaded.settings, deployment).cluster.name === settings.cluster.name,
        job: options.job === true,
        jobTimeoutMs: options.jobTimeout * 1000,
        online: options.online === true,
      },
    );
    const about = loaded.settings.clusters && { cluster: settings.cluster.name };
    examined.push(...examine(facts).map((report) => ({ ...about, ...report })));
  }
  const findings = examined.flatMap(({ cluster, check, findings = [] }) =>
    findings.map((one) => ({ ...(cluster !== undefined && { cluster }), check, ...one })),
  );
  if (options.json)
    print(
      cli,
      JSON.stringify(
        {
          checks: examined.map((report) => ({
            ...(report.cluster !== undefined && { cluster: report.cluster }),
            ...stateOf(report),
          })),
          findings,
        },
        undefined,
        2,
      ),
    );
  else {
    let told: string | undefined;
    for (const report of examined) {
      if (report.cluster !== told) print(cli, `${told === undefined ? '' : '\n'}Cluster ${report.cluster}`);
      told = report.cluster;
      print(cli, linesOf(cli, report).join('\n'));
    }
    say(cli, tally(findings));
  }
  return findings.some(({ level }) => level === 'error') ? EXIT.failed : EXIT.ok;
}

function stateOf({ check, findings }: Report): { readonly check: string; readonly state: string } {
  if (!findings) return { check, state: 'not looked at' };
  if (findings.some(({ level }) => level === 'error')) return { check, state: 'error' };
  return { check, state: findings.length > 0 ? 'warning' : 'ok' };
}

const COLOURS = { ok: 'green', error: 'red', warning: 'yellow', 'not looked at': 'dim' } as const;

function linesOf(cli: Cli, report: Report): readonly string[] {
  const { state } = stateOf(report);
  const colour = COLOURS[state as keyof typeof COLOURS];
  return [
    `${paint(cli, cli.stdout, colour, state.padEnd(13))} ${report.check.padEnd(11)} ${report.looks}`,
    ...(report.findings ?? []).flatMap((finding) => [
      `  ${paint(cli, cli.stdout, COLOURS[finding.level], finding.level)}: ${printable(finding.found)}`,
      `    means: ${printable(finding.means)}`,
      `    do:    ${printable(finding.advice)}`,
    ]),
  ];
}

function tally(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => {
    const many = findings.filter((one) => one.level === level).length;
    return `${many} ${level}${many === 1 ? '' : 's'}`;
  };
  return findings.length === 0 ? 'Nothing is wrong with what was looked at.' : `${count('error')}, ${count('warning')}`;
}
