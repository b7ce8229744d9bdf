import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importText, problemsOf } from './imported.ts';

const cases: readonly [title: string, text: string, problems: readonly string[]][] = [
  ['an empty file', '', ['config.yaml:1: the file is empty']],
  ['a file of remarks', '# nothing\n', ['config.yaml:1: the file is empty']],
  ['a list', '- a\n- b\n', ['config.yaml:1: must hold `key: value` lines']],
  ['words', 'hello there\n', ['config.yaml:1: must hold `key: value` lines']],
  ['a broken quote', 'models:\n  m:\n    huggingface_id: "a/b\n', ['config.yaml:4: Missing closing "quote']],
  ['a tab', 'models:\n\tm: {}\n', ['config.yaml:2: Tabs are not allowed as indentation']],
  ['a key written twice', 'slurm: {}\nmodels: {}\nslurm: {}\n', ['config.yaml:3: Map keys must be unique']],
  ['no models', 'slurm: { account: a }\n', ['config.yaml:1: has no section `models`: there is nothing to import']],
  [
    'models that are a list',
    '\nmodels: [a, b]\n',
    ['config.yaml:2: `models` must hold the name of each model with its settings below it'],
  ],
  ['a model that is a word', 'models:\n  m: yes\n', ['config.yaml:2: models.m must hold its settings below it']],
  [
    'a model without an id',
    'models:\n  m: { port: 8000 }\n',
    ['config.yaml:2: models.m does not say which model to serve, as ORG/REPO or an absolute path'],
  ],
  [
    'an id that is none',
    'models:\n  m:\n    huggingface_id: just a name\n',
    [
      'config.yaml:3: models.m.huggingface_id must be ORG/REPO on the Hugging Face hub, or an absolute path, not "just a name"',
    ],
  ],
  [
    'wrong types, all of them told',
    'models:\n  m:\n    huggingface_id: a/b\n    port: [80]\n    gpus: many\n    nodes: 1.5\nvllm:\n  max_num_seqs: lots\n  seed: { a: 1 }\nslurm: 5\n',
    [
      'config.yaml:8: vllm.max_num_seqs must be a whole number, not "lots"',
      'config.yaml:9: vllm.seed must be one value, not a part of its own',
      'config.yaml:10: slurm must hold `key: value` lines below it',
      'config.yaml:5: models.m.gpus must be a whole number, not "many"',
      'config.yaml:6: models.m.nodes must be a whole number, not "1.5"',
    ],
  ],
  [
    'an active model that is not there',
    'active_model: qwenn\nmodels:\n  qwen: { huggingface_id: a/b }\n',
    ['config.yaml:1: active_model is "qwenn", and models has none of that name. Did you mean "qwen"?'],
  ],
  [
    'aliases that multiply',
    `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefg'.replace(
      /./g,
      (name) =>
        `${name}: &${name} [${Array(10)
          .fill(`*${String.fromCharCode(name.charCodeAt(0) - 1)}`)
          .join()}]\n`,
    )}`,
    ['config.yaml:1: its aliases multiply beyond all measure, or lead nowhere'],
  ],
  ['something within itself', 'models: &m { a: *m }\n', ['config.yaml:1: it is nested too deeply, or within itself']],
  [
    'a script that starts no vLLM',
    '#!/bin/bash\necho vllm serve\n',
    [
      'config.yaml:1: starts no vLLM: a line with `vllm serve` or `-m vllm.entrypoints.openai.api_server` is looked for',
    ],
  ],
];

describe('nothing is imported, and the line is told, from', () => {
  for (const [title, text, problems] of cases) {
    it(title, () => {
      const imported = importText(text);
      assert.deepEqual(problemsOf(imported), problems);
      assert.deepEqual(imported.files, []);
    });
  }

  it('a model that was asked for and is not there', () => {
    const imported = importText('models: { qwen: { huggingface_id: a/b } }', { models: ['qwem'] });
    assert.deepEqual(problemsOf(imported), ['config.yaml:1: has no model "qwem". Did you mean "qwen"?']);
  });
});
