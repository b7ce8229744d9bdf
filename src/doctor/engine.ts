import { runsInImage } from '../launch/container.ts';
import type { Check } from './checks.ts';
import type { Facts, VenvFact, Wish } from './facts.ts';
import { error, type Finding, warning } from './finding.ts';
import { nameOf } from './wish.ts';

/** The launch flags of several nodes are there from this one on. Source: `vllm serve --help` of 0.15.1. */
const OLDEST_ENGINE = '0.15.0';

export const checkEngine: Check = (facts) =>
  facts.wishes.flatMap((wish) => {
    const { venv } = wish.spec.runtime;
    if (runsInImage(wish.spec.runtime)) return []; // a node finds out before it loads anything
    if (venv === undefined) return ofHost(wish, facts);
    const fact = venvFact(venv, facts);
    return fact === undefined ? [] : ofVenv(wish, fact, facts);
  });

/** What is on PATH here says nothing of a compute node; what modules bring, nobody has loaded. */
function ofHost(wish: Wish, { job, host }: Facts): readonly Finding[] {
  const { key, spec } = wish;
  const fact = job?.ok ? job.value.host : host;
  const isElsewhere = spec.runtime.modules.length > 0 || 'PATH' in spec.engine.env;
  if (key === undefined || spec.engine.type !== 'vllm' || isElsewhere || fact === undefined) return [];
  const { program, engine } = fact;
  const where = job?.ok ? job.value.node : 'this machine';
  if (program === undefined)
    return [
      error(
        `${nameOf(wish)}: there is no vllm on PATH of ${where}`,
        'the job ends at its start',
        'name what has it: runtime.venv, or runtime.modules',
      ),
    ];
  return tooOld(wish, program, engine, "pip install --upgrade 'vllm>=LEAST', or name another in runtime.venv");
}

/** What the node sees counts where a job looked. */
function venvFact(path: string, { venvs, job }: Facts): VenvFact | undefined {
  return [...(job?.ok ? job.value.venvs : []), ...venvs].find((fact) => fact.path === path);
}

function ofVenv(wish: Wish, { path, is, engine }: VenvFact, { job }: Facts): readonly Finding[] {
  const name = nameOf(wish);
  const where = job?.ok ? `on ${job.value.node}` : 'here';
  // Without a job's eyes: it may be on the nodes alone.
  if (is === 'absent')
    return [
      (job?.ok ? error : warning)(
        `${name}: there is no virtual environment at ${path} ${where}`,
        'the job ends at its start',
        'make it on a file system the compute nodes share, or correct runtime.venv',
      ),
    ];
  if (engine === undefined)
    return [
      error(`${name}: no vLLM is installed in ${path}`, 'the job ends at its start', `${path}/bin/pip install vllm`),
    ];
  return tooOld(wish, path, engine, `${path}/bin/pip install --upgrade 'vllm>=LEAST'`);
}

/** @param advice with LEAST where the version goes */
function tooOld(wish: Wish, place: string, engine: string | undefined, advice: string): readonly Finding[] {
  const [least = OLDEST_ENGINE] = [OLDEST_ENGINE, ...(wish.minimumEngine === undefined ? [] : [wish.minimumEngine])]
    .sort(compareVersions)
    .reverse();
  if (engine === undefined || compareVersions(engine, least) >= 0) return [];
  return [
    error(
      `${nameOf(wish)}: ${place} holds vLLM ${engine}, and it takes ${least} or later`,
      least === OLDEST_ENGINE ? 'flags of the launch are not known to it' : 'the model cannot be loaded',
      advice.replace('LEAST', least),
    ),
  ];
}

export const checkHub: Check = ({ wishes }) =>
  wishes.flatMap((wish) => {
    const name = nameOf(wish);
    const { token, hub, gated } = wish;
    if (token && !token.ok)
      return [
        error(
          `${name}: its Hugging Face token cannot be read: ${token.error}`,
          'nothing is submitted for it',
          'correct model.tokenFrom',
        ),
      ];
    const isLocal = wish.spec.model.uri.startsWith('file://') || wish.spec.model.cache.offline;
    if (gated && !token && !isLocal)
      return [
        warning(
          `${name}: ${wish.spec.model.uri} is gated, and no token is named`,
          'the hub refuses it, unless it is in the cache already',
          'accept its licence on the hub, and set model.tokenFrom',
        ),
      ];
    return hub === undefined ? [] : fromHub(wish, hub);
  });

function fromHub(wish: Wish, hub: NonNullable<Wish['hub']>): readonly Finding[] {
  const what = `${nameOf(wish)}: ${wish.spec.model.uri}`;
  if (!hub.ok)
    return [
      warning(
        `${what}: the hub does not answer: ${hub.error}`,
        'nothing can be downloaded from here',
        'set HF_ENDPOINT, or model.cache.offline',
      ),
    ];
  switch (hub.value) {
    case 'given':
      return [];
    case 'refused':
      return [
        error(
          `${what} is refused by the hub`,
          'the engine ends at its start',
          wish.token ? 'accept its licence with the account of the token' : 'set model.tokenFrom',
        ),
      ];
    case 'unknown model':
      return [error(`${what} is not on the hub`, 'the engine ends at its start', 'correct model.uri')];
  }
}

/** By their numbers; what stands behind them (`rc1`, `+cpu`) does not count. */
function compareVersions(a: string, b: string): number {
  const parts = (version: string) =>
    version
      .split(/[+a-z]/, 1)[0]
      ?.split('.')
      .map(Number) ?? [];
  const [left, right] = [parts(a), parts(b)];
  const at = [0, 1, 2].find((index) => (left[index] ?? 0) !== (right[index] ?? 0));
  return at === undefined ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}
