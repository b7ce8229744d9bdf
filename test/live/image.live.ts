import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Copy, DockerfileParser, type Instruction } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { execa } from 'execa';

/**
 * The Dockerfile as far as it can be had without a container: what it says is well formed, and its steps, done in plain
 * directories in place of its stages, leave a program that runs from them.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TEXT = await readFile(path.join(ROOT, 'Dockerfile'), 'utf8');
const IGNORED = (await readFile(path.join(ROOT, '.dockerignore'), 'utf8')).split('\n').filter(Boolean);
const SAMPLE = path.join(ROOT, 'config/samples/qwen3-0.6b.yaml');
/** Of `npm ci`, with everything to download. */
const STEP_MS = 600_000;

type Stage = { readonly name: string; readonly instructions: readonly Instruction[] };

function stages(): readonly Stage[] {
  const found: { name: string; instructions: Instruction[] }[] = [];
  for (const instruction of DockerfileParser.parse(TEXT).getInstructions()) {
    const words = instruction.getArguments().map((argument) => argument.getValue());
    if (instruction.getKeyword() === 'FROM') found.push({ name: words[2] ?? 'image', instructions: [] });
    else found.at(-1)?.instructions.push(instruction);
  }
  return found;
}

const wordsOf = (instruction: Instruction): readonly string[] =>
  instruction.getArguments().map((argument) => argument.getValue());
const lastOf = (stage: Stage | undefined, keyword: string): string | undefined =>
  stage?.instructions.findLast((one) => one.getKeyword() === keyword)?.getArgumentsContent() ?? undefined;

describe('the image', () => {
  let work = '';
  const at = (stage: string): string => path.join(work, stage);
  before(async () => {
    work = await mkdtemp(path.join(os.tmpdir(), 'image-'));
  });
  after(() => rm(work, { recursive: true, force: true }));

  test('is described without a mistake, and runs as nobody in particular under something that buries children', () => {
    assert.deepEqual(validate(TEXT), []);
    const last = stages().at(-1);
    assert.deepEqual(
      [lastOf(last, 'USER'), lastOf(last, 'ENTRYPOINT'), lastOf(last, 'CMD')],
      ['1000:1000', '["/usr/bin/tini", "--", "vllm-slurm"]', '["run"]'],
    );
  });

  test('its steps, done one after another, leave a program that finds all it needs', async () => {
    for (const { name, instructions } of stages()) {
      await mkdir(at(name));
      for (const instruction of instructions) {
        if (instruction.getKeyword() === 'COPY') await copy(name, instruction as Copy);
        // What changes the system is the last test's.
        else if (instruction.getKeyword() === 'RUN' && name !== 'image') await run(name, instruction);
      }
    }
    const main = path.join(at('image'), 'dist/main.js');
    const program = async (...args: readonly string[]) =>
      execa(process.execPath, [main, ...args], {
        cwd: '/',
        env: { PATH: '/usr/bin:/bin', HOME: at('image'), NODE_ENV: 'production' },
        extendEnv: false,
        reject: false,
        stdin: 'ignore',
        timeout: 120_000,
      });
    const version = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    assert.match((await program('version')).stdout, new RegExp(version.version.replaceAll('.', '\\.')));
    assert.match((await program('render', '-f', SAMPLE)).stdout, /^#!\/bin\/bash\n#SBATCH --job-name=vllm\.default\./);
    assert.match((await program('catalog')).stdout, /^gpt-oss-120b /m);
    // What goes over to a login node is there as well: only the host is not.
    const far = await program('clusters', '--set=cluster.type=slurm', '--set=cluster.ssh.host=nobody.invalid');
    assert.match(far.stdout, /nobody\.invalid/);
    assert.doesNotMatch(`${far.stdout}${far.stderr}`, /ENOENT/);
  });

  test('what it installs can be had, and its command leads to the program', async (context) => {
    const steps = (stages().at(-1)?.instructions ?? [])
      .filter((one) => one.getKeyword() === 'RUN')
      .map((one) => wordsOf(one));
    assert.deepEqual(steps.at(-1), ['ln', '-s', '/app/dist/main.js', '/usr/local/bin/vllm-slurm']);
    const install = steps.find((words) => words.includes('apt-get')) ?? [];
    const from = install.indexOf('install');
    const packages = install.slice(from, install.indexOf('&&', from)).filter((word) => /^[a-z][a-z0-9-]+$/.test(word));
    assert.deepEqual(packages.slice(1), ['openssh-client', 'slurm-client', 'tini']);
    if (process.getuid?.() !== 0) return context.skip('apt wants root to say what it would do');
    await execa('apt-get', ['-q', 'update'], { timeout: STEP_MS });
    const known = await execa('apt-cache', ['policy', ...packages.slice(1)], { timeout: 60_000 });
    assert.equal(known.stdout.match(/^ {2}Candidate: \d/gm)?.length, 3, known.stdout);
  });

  async function copy(stage: string, instruction: Copy): Promise<void> {
    const words = wordsOf(instruction);
    const [to = ''] = words.slice(-1);
    const from = instruction.getFromFlag()?.getValue();
    for (const word of words.slice(0, -1)) {
      if (from === undefined || from === null) assert.ok(!IGNORED.includes(word), `${word} is not sent to the builder`);
      const source = from ? path.join(at(from), word.replace(/^\/app\//, '')) : path.join(ROOT, word);
      const target = path.join(at(stage), to.endsWith('/') ? path.join(to, path.basename(word)) : to);
      await cp(source, target, { recursive: true, verbatimSymlinks: true });
    }
  }

  async function run(stage: string, instruction: Instruction): Promise<void> {
    // npm runs on the Node.js of this test, as in the image on its own.
    const PATH = `${path.dirname(process.execPath)}:${process.env.PATH}`;
    await execa('sh', ['-c', instruction.getArgumentsContent() ?? ''], {
      cwd: at(stage),
      env: { PATH },
      stdin: 'ignore',
      timeout: STEP_MS,
    });
  }
});
