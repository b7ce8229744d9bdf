import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { follow } from '../docs/follow.ts';
import { DOCUMENTS, fencesOf } from '../docs/markdown.ts';
import { isCommands, isInstead, placeOf } from '../docs/places.ts';
import { type Site, scratch } from '../docs/scratch.ts';
import { until } from './operator/until.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

/** The documents, as somebody reads them who has a checkout, an account and a SLURM. */

const STAND_IN = fileURLToPath(new URL('../../src/standin/stand-in.ts', import.meta.url));
const PLACES = ['embedded', 'checkout', 'cluster'] as const;
/** Of one document; the first thing may be `npm install`. */
const DEADLINE_MS = 480_000;

describe('the commands of the documents, in order, on a real SLURM', { skip: whyNoBed() ?? false }, () => {
  let bed: Bed;
  let registry: Readonly<Record<string, string>>;
  const tools = mkdtempSync(path.join(os.tmpdir(), 'tools-'));
  before(async () => {
    writeFileSync(path.join(tools, 'vllm'), `#!/bin/bash\nexec '${process.execPath}' '${STAND_IN}' "$@"\n`, {
      mode: 0o755,
    });
    registry = await wayToRegistry();
    bed = await startBed({
      accounting: true,
      jobEnvironment: {
        PATH: `${tools}:/usr/local/bin:/usr/bin:/bin`,
        // The hub is not asked: the job finds no way to it, and lets its engine find out.
        https_proxy: 'http://127.0.0.1:9',
      },
    });
    // The account that the documents take for example.
    await bed.run('sacctmgr', '--immediate', '--quiet', 'add', 'account', 'my-project', 'Cluster=bed');
    await bed.run('sacctmgr', '--immediate', '--quiet', 'add', 'user', 'root', 'Account=my-project');
  });
  after(async () => {
    await bed?.stop();
    rmSync(tools, { recursive: true });
  });

  const site = (root: string): Site => ({
    environment: {
      ...bed.env,
      VLLM_SLURM_PORT_RANGE: '10000-19999',
      ...registry,
      npm_config_prefix: path.join(root, 'npm'),
      npm_config_cache: path.join(tools, 'npm'),
    },
    isInstalled: true,
    deadlineMs: DEADLINE_MS,
    async endJobs() {
      await bed.run('scancel', '--quiet', `--user=${os.userInfo().username}`);
      await until('an empty queue', async () => (await bed.run('squeue', '--noheader')) === '' || undefined);
    },
  });

  for (const file of DOCUMENTS) {
    const fences = fencesOf(file).filter((fence) => !isInstead(fence));
    if (!fences.some((fence) => isCommands(fence) && PLACES.some((place) => place === placeOf(fence)))) continue;
    test(file, async () => {
      await using here = scratch(site);
      const { code, told, said } = await follow(fences, PLACES, here);
      assert.deepEqual({ code, told }, { code: 0, told: [] }, said);
    });
  }
});

/** Where packages come from is this machine's affair, whatever the reader's home and prefix are. */
async function wayToRegistry(): Promise<Readonly<Record<string, string>>> {
  const ask = async (key: string) => (await execa('npm', ['config', 'get', key], { timeout: 60_000 })).stdout;
  const said = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_(registry|cafile)|NODE_EXTRA_CA_CERTS)$/i.test(name),
  );
  return {
    ...(Object.fromEntries(said) as Record<string, string>),
    npm_config_userconfig: await ask('userconfig'),
    npm_config_globalconfig: await ask('globalconfig'),
  };
}
