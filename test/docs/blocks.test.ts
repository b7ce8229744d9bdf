import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { environmentLayer } from '../../src/cli/settings/layers.ts';
import { Settings } from '../../src/config.ts';
import { readScript } from '../../src/import/shell/commands.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { readDocuments } from '../../src/store/directory/documents.ts';
import { DOCUMENTS, dialogueOf, type Fence, fencesOf, ROOT, readDocument } from './markdown.ts';
import { strangeWords, UNRUN } from './places.ts';
import { usageError } from './usage.ts';

/** Languages of blocks that hold no commands and no YAML of ours. */
const TOLD = ['text', 'json', 'python', ''];

/** What YAML a block holds, by the word behind its language: problems in words. */
const YAML_KINDS: Readonly<Record<string, (text: string) => readonly unknown[]>> = {
  deployment: (text) => {
    const { claims, problems, doubt } = readDocuments('block', Buffer.from(text));
    const wrong = claims.flatMap(({ declared }) => (declared.spec.ok ? [] : declared.spec.error));
    return claims.length === 0 ? ['no deployment in it'] : [...problems, ...(doubt ? [doubt] : []), ...wrong];
  },
  spec: (text) => {
    const read = readSpec({ model: { uri: 'hf://example/model' }, ...parse(text).spec });
    return read.ok ? [] : read.error;
  },
  settings: (text) => Settings.safeParse(parse(text)).error?.issues ?? [],
  other: (text) => parseAllDocuments(text).flatMap(({ errors }) => errors),
};

for (const file of DOCUMENTS) {
  const fences = fencesOf(file);
  describe(file, () => {
    it('has links that lead somewhere', () => {
      const links = [...proseOf(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
      assert.deepEqual(
        links.filter((target) => !leadsSomewhere(file, target)),
        [],
      );
    });

    for (const fence of fences) {
      const { language, line, words } = fence;
      if (language === 'sh' || language === 'console') {
        it(`line ${line}: commands, flags, settings and files exist`, () => commandsExist(fence));
      } else if (language === 'yaml') {
        it(`line ${line}: every field of the YAML is known and its value allowed`, () => {
          const kind = words.find((word) => word in YAML_KINDS) ?? 'deployment';
          assert.deepEqual(YAML_KINDS[kind]?.(fence.text), []);
        });
      } else {
        it(`line ${line}: a block of no commands`, () => assert.ok(TOLD.includes(language), language));
      }
    }
  });
}

it('nearly every block of commands is run by a test; these are not, and why', () => {
  const unrun = DOCUMENTS.flatMap(fencesOf).flatMap(({ file, text, words }) => {
    const name = words.find((word) => word.startsWith('unrun='))?.slice('unrun='.length);
    return name === undefined ? [] : [`${file}: ${text.split('\n')[0]?.trim()}: ${UNRUN[name]}`];
  });
  assert.deepEqual(unrun, [
    'README.md: npm start        # sample deployments on an embedded cluster, with a stand-in for vLLM: it runs until Ctrl-C, or is the suite that would run it',
    'docs/how-to/kubernetes.md: docker build -t registry.example.com/vllm-slurm-operator:0.1.0 . && docker push registry.example.com/vllm-slurm-operator:0.1.0: it builds an image and pushes it to a registry',
    'docs/how-to/kubernetes.md: kubectl annotate vllmd/qwen3-small vllm-slurm.dev/force-release=true: it is for a SLURM that is gone for ever',
    "docs/how-to/operate.md: systemctl --user enable --now vllm-slurm: it is for a systemd session of the user's own",
    'docs/how-to/runtimes.md: apptainer pull /shared/images/vllm.sif docker://vllm/vllm-openai:v0.11.0: gigabytes come from the internet',
    'docs/how-to/slurmrestd.md: scontrol token lifespan=86400 > slurm-token: it is typed on a machine outside of the cluster',
    'docs/how-to/slurmrestd.md: scontrol token lifespan=86400 > slurm-token.new && mv slurm-token.new slurm-token: it is typed on a machine outside of the cluster',
    'docs/how-to/slurmrestd.md: kubectl -n vllm-slurm-system create secret generic vllm-slurm-token --from-file=token=slurm-token: it is typed on a machine outside of the cluster',
    'docs/how-to/slurmrestd.md: kubectl -n team-a create secret generic slurm-credentials --from-file=token=team-a-token: it is typed on a machine outside of the cluster',
    'docs/how-to/slurmrestd.md: slurmrestd -a rest_auth/local unix:"$HOME/slurmrestd.socket": it is typed on a machine outside of the cluster',
    'docs/how-to/ssh.md: ssh -o BatchMode=yes -o StrictHostKeyChecking=yes login1 sbatch --version: it is typed on a machine outside of the cluster',
    'docs/how-to/talk-to-a-model.md: ssh -N -L 8000:10.0.0.17:20154 login.example.org: it is typed on a machine outside of the cluster',
    'docs/how-to/weights.md: HF_HOME=/shared/hf-cache hf download Qwen/Qwen3-0.6B: gigabytes come from the internet',
    'docs/quick-start.md: python3 -m venv /shared/venvs/vllm: gigabytes come from the internet',
  ]);
});

async function commandsExist(fence: Fence): Promise<void> {
  assert.deepEqual(strangeWords(fence), []);
  const problems: string[] = [];
  for (const { command } of dialogueOf(fence)) {
    const { commands, exported } = readScript(command, { HOME: '/home/user', USER: 'user' });
    const variables = environmentLayer(Object.fromEntries(exported.map(({ name }) => [name, ''])), '/');
    problems.push(...variables.problems.map(({ where, message }) => `${where} ${message}`));
    for (const { words } of commands) {
      const said = await problemOf(words.map(({ text }) => text));
      if (said !== undefined) problems.push(`${words.map(({ text }) => text).join(' ')}: ${said}`);
    }
  }
  assert.deepEqual(problems, []);
}

async function problemOf(words: readonly string[]): Promise<string | undefined> {
  const [program, ...argv] = words;
  switch (program) {
    case 'vllm-slurm':
      return usageError(argv);
    case 'npm': {
      const script = argv[0] === 'run' ? argv.find((word, at) => at > 0 && !word.startsWith('-')) : argv[0];
      return script === 'install' ||
        script === 'link' ||
        script === 'pack' ||
        script === undefined ||
        script in npmScripts()
        ? undefined
        : 'no such script in package.json';
    }
    case 'kubectl':
    case 'helm':
    case 'cp':
      return argv
        .filter((word) => /^(config|manifests|helm|crds)(\/|$)/.test(word))
        .find((word) => !existsSync(path.join(ROOT, word)));
    default:
      return undefined;
  }
}

function npmScripts(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).scripts;
}

/** The document without its blocks and code spans, in which brackets mean something else. */
function proseOf(file: string): string {
  return readDocument(file)
    .replaceAll(/^ *```[\s\S]*?^ *```\s*$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '');
}

function leadsSomewhere(file: string, target: string): boolean {
  if (/^https?:/.test(target)) return true;
  const [relative = '', anchor] = target.split('#');
  const named = relative === '' ? file : path.join(path.dirname(file), relative);
  if (!existsSync(path.join(ROOT, named))) return false;
  return anchor === undefined || anchorsOf(named).includes(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(file: string): readonly string[] {
  return [...readDocument(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
