import { Command } from 'commander';
import { keyText } from '../api/key.ts';
import type { Settings } from '../config.ts';
import { siteOf } from '../config.ts';
import { renderScript } from '../launch/script.ts';
import { secretPaths, secretsToPlace } from '../launch/secrets.ts';
import { specHash } from '../launch/spec-hash.ts';
import { type Cli, EXIT, examples, fail, print, wholeNumber } from './cli.ts';
import { withSettings } from './global-options.ts';
import { type GoodClaim, withManifests } from './manifest-file.ts';
import { settingsOf } from './open-clusters.ts';
import { serveScript, standInCommand } from './package.ts';

type RenderOptions = { readonly filename: string; readonly name?: string; readonly replica: number };

export function renderCommand(cli: Cli): Command {
  const command = new Command('render')
    .description('print the batch script of a deployment; nothing is read from or sent to SLURM')
    .argument('[name]', 'which deployment, when the file holds several')
    .requiredOption('-f, --filename <file>', 'file with the deployment; - is stdin')
    .option('--replica <n>', 'of which replica', wholeNumber(0), 0)
    .action(async (name: string | undefined, { filename, replica }: RenderOptions, self: Command) =>
      cli.exit(
        await withSettings(cli, self, ({ settings, catalog }) =>
          withManifests(cli, filename, catalog, async (claims) => {
            const wanted = claims.filter(({ key }) => name === undefined || key.name === name);
            const [claim] = wanted;
            if (claim && wanted.length === 1) {
              print(cli, scriptOf(claim, settings, replica));
              return EXIT.ok;
            }
            const names = claims.map(({ key }) => keyText(key)).join(', ');
            return fail(
              cli,
              claim ? `which one? ${filename} holds ${names}` : `${filename} holds ${names}, no "${name}"`,
            );
          }),
        ),
      ),
    );
  return examples(command, [
    ['vllm-slurm render -f qwen.yaml | less', 'read what would run'],
    ['vllm-slurm render -f qwen.yaml | sbatch --test-only', 'let SLURM judge it'],
  ]);
}

/** As the first attempt would be; uid, nonce and owner, which are given at submission, are `preview`. */
function scriptOf({ key, spec, declared }: GoodClaim, settings: Settings, replica: number): string {
  const identity = {
    ...key,
    replica,
    attempt: 1,
    uid: PREVIEW,
    generation: 1,
    specHash: declared.specHash ?? specHash(spec),
    nonce: PREVIEW,
    owner: PREVIEW,
  };
  const site = siteOf(settingsOf(settings, { spec }), standInCommand());
  return renderScript({
    identity,
    spec,
    excludedNodes: [],
    site,
    secretFiles: secretPaths(secretsToPlace(spec, identity), PREVIEW, site),
    body: serveScript(),
  });
}

export const PREVIEW = 'preview';
