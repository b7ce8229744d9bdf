import path from 'node:path';
import { Command } from 'commander';
import { keyText } from '../api/key.ts';
import type { SecretSource, Spec } from '../api/spec.ts';
import { type Settings, siteOf } from '../config.ts';
import { specsByPlace } from '../launch/places.ts';
import { plainScript } from '../launch/plain-script.ts';
import { quote } from '../launch/quote.ts';
import { servedNames } from '../launch/served.ts';
import { type Cli, EXIT, examples, fail, print, say } from './cli.ts';
import { namespaceOption, withDeployment } from './deployments.ts';
import { writeFiles } from './new-file.ts';
import { settingsOf } from './open-clusters.ts';
import { serveScript, standInCommand } from './package.ts';

type ExportOptions = { readonly namespace: string; readonly output?: string; readonly force?: true };

export function exportCommand(cli: Cli): Command {
  const command = new Command('export')
    .description('write a deployment as a batch script of its own, for `sbatch FILE` without any operator')
    .argument('<name>')
    .option('-o, --output <file>', 'where to (default: stdout)')
    .option('--force', 'replace the file if it is there')
    .addOption(namespaceOption())
    .action(async (name: string, options: ExportOptions, self: Command) =>
      cli.exit(
        await withDeployment(cli, self, { namespace: options.namespace, name }, async ({ key, spec }, { settings }) =>
          spec
            ? write(cli, key.name, spec, settings, options)
            : fail(cli, `${keyText(key)} has no good spec yet: vllm-slurm describe ${key.name}`),
        ),
      ),
    );
  return examples(command, [
    ['vllm-slurm export qwen -o qwen.sbatch && sbatch qwen.sbatch', 'serve it without the operator'],
    ["squeue -n qwen -o '%i %T %N %k'", 'its state, and where it answers'],
  ]);
}

async function write(cli: Cli, name: string, whole: Spec, settings: Settings, options: ExportOptions): Promise<number> {
  const [spec, ...elsewhere] = specsByPlace(whole);
  const secrets = secretFiles(spec, cli.home, name);
  const script = plainScript({
    name,
    spec,
    site: siteOf(settingsOf(settings, { spec }), standInCommand()),
    secretFiles: secrets.files,
    remarks: remarks(name, spec, elsewhere.length, secrets.toMake),
    body: serveScript(),
  });
  for (const line of secrets.toMake) say(cli, `note: before it is submitted: ${line}`);
  if (options.output === undefined) {
    print(cli, script);
    return EXIT.ok;
  }
  const written = await writeFiles(
    [{ file: path.resolve(cli.workingDirectory, options.output), text: script }],
    options.force ?? false,
  );
  return written.ok ? EXIT.ok : fail(cli, written.error);
}

function remarks(name: string, spec: Spec, otherPlaces: number, toMake: readonly string[]): readonly string[] {
  const copies = spec.replicas > 1 ? [`The deployment has ${spec.replicas} replicas: submit it as often.`] : [];
  return [
    `${name}, as a job of its own: submit with sbatch. Each submission is one copy of ${servedNames(spec)[0]}.`,
    ...copies,
    ...(otherPlaces > 0
      ? ['It is for the first of spec.slurm.places: nobody tries the others for a job of its own.']
      : []),
    `Where it answers, and how far it is: squeue -n ${name} -o '%i %T %N %k' (node, port and phase are in the comment).`,
    `Its log is ${name}-JOBID.log where it was submitted. When its time is over it ends: submit it again.`,
    ...toMake.map((line) => `Before it is submitted: ${line}`),
    '',
  ];
}

type Secrets = {
  readonly files: { readonly hfToken?: string; readonly apiKey?: string };
  /** Commands for a person, as there is no operator to put the secrets where the job reads them. */
  readonly toMake: readonly string[];
};

/** A secret of a file stays in that file; any other needs one, as none may stand in a script. */
function secretFiles({ model, endpoint }: Spec, home: string, name: string): Secrets {
  const place = (source: SecretSource | undefined, suffix: string): string | undefined =>
    source && (source.file ?? path.join(home, '.config', 'vllm-slurm', 'secrets', `${name}.${suffix}`));
  const hfToken = place(model.tokenFrom, 'hf-token');
  const apiKey = place(endpoint.apiKeyFrom, 'api-key');
  return {
    files: { ...(hfToken !== undefined && { hfToken }), ...(apiKey !== undefined && { apiKey }) },
    toMake: [
      ...making(model.tokenFrom, hfToken, 'the token of the Hugging Face hub'),
      ...making(endpoint.apiKeyFrom, apiKey, 'the key of the endpoint'),
    ],
  };
}

function making(source: SecretSource | undefined, file: string | undefined, what: string): readonly string[] {
  if (source === undefined || file === undefined) return [];
  if (source.file !== undefined) return [`${file} must hold ${what} on the compute nodes too, readable by you alone`];
  const make = `mkdir -p ${quote(path.dirname(file))} && (umask 077; cat > ${quote(file)})`;
  return [`put ${what} into ${file}, readable by you alone: ${make}`];
}
