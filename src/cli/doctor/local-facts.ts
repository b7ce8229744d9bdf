import { accessSync, constants, readdirSync, realpathSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import type { SecretSource } from '../../api/spec.ts';
import type { Answer, DirectoryFact, HostFact, HubAnswer, VenvFact } from '../../doctor/facts.ts';
import { err, ok } from '../../result.ts';
import { createStandaloneSecrets } from '../../secrets/standalone.ts';
import { type Cli, say } from '../cli.ts';

const CONNECT_MS = 5_000;
const HUB_MS = 15_000;

/** A cache that is not there may be on the nodes alone: only what is there can be judged. */
export function directoryFact(purpose: DirectoryFact['purpose'], directory: string): DirectoryFact {
  const fact = { path: directory, purpose };
  try {
    if (!statSync(directory).isDirectory()) return { ...fact, is: 'unusable', why: 'it is no directory' };
    accessSync(directory, constants.W_OK | constants.X_OK);
    return { ...fact, is: 'writable' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') return { ...fact, is: 'unusable', why: message };
    if (purpose === 'model cache' || canBeMade(directory)) return { ...fact, is: 'absent' };
    return { ...fact, is: 'unusable', why: 'it is not there, and cannot be made' };
  }
}

function canBeMade(directory: string): boolean {
  const parent = path.dirname(directory);
  if (parent === directory) return false;
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
    return statSync(parent).isDirectory();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && canBeMade(parent);
  }
}

export function venvFact(venv: string): VenvFact {
  if (!statSync(venv, { throwIfNoEntry: false })?.isDirectory()) return { path: venv, is: 'absent' };
  return { path: venv, is: 'there', ...engineBelow(venv) };
}

/** Of the vLLM that a shell would find. */
export function hostFact({ PATH = '' }: Cli['environment']): HostFact {
  const program = PATH.split(path.delimiter)
    .map((directory) => path.join(directory, 'vllm'))
    .find(isProgram);
  return program === undefined ? {} : { program, ...engineBelow(path.dirname(path.dirname(realpathSync(program)))) };
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** By the name of its metadata, as pip writes it: to import vLLM takes half a minute. */
function engineBelow(prefix: string): { readonly engine?: string } {
  const engine = namesIn(path.join(prefix, 'lib'))
    .filter((name) => name.startsWith('python'))
    .flatMap((name) => ['site-packages', 'dist-packages'].map((packages) => path.join(prefix, 'lib', name, packages)))
    .flatMap(namesIn)
    .flatMap((name) => /^vllm-(.+)\.dist-info$/.exec(name)?.[1] ?? [])[0];
  return engine === undefined ? {} : { engine };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** The token a deployment names; it goes nowhere but to the hub. */
export async function readToken(cli: Cli, namespace: string, source: SecretSource): Promise<Answer<string>> {
  const { environment, clock } = cli;
  const warn = (message: string): void => say(cli, `warning: ${message}`);
  const read = await createStandaloneSecrets({ environment, clock, warn }).read(namespace, source);
  return read.ok ? read : err(read.error.message);
}

/** @param repository `org/repo` */
export async function askHub(
  cli: Pick<Cli, 'environment'>,
  repository: string,
  revision: string,
  token: string | undefined,
): Promise<Answer<HubAnswer>> {
  const hub = cli.environment.HF_ENDPOINT ?? 'https://huggingface.co';
  try {
    const { status } = await fetch(`${hub}/${repository}/resolve/${encodeURIComponent(revision)}/config.json`, {
      method: 'HEAD',
      redirect: 'manual',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(HUB_MS),
    });
    if (status < 400) return ok('given');
    if (status === 401 || status === 403) return ok('refused');
    return status === 404 ? ok('unknown model') : err(`it answered ${status}`);
  } catch (error) {
    const { cause, message } = error as Error;
    return err(cause instanceof Error ? cause.message : message);
  }
}

/** Whether packets go there and come back: to be refused is an answer too. */
export function reach(host: string, port: number): Promise<Answer<undefined>> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const answer = (outcome: Answer<undefined>) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once('connect', () => answer(ok(undefined)));
    socket.once('timeout', () => answer(err(`no answer within ${CONNECT_MS / 1000} s`)));
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      answer(code === 'ECONNREFUSED' ? ok(undefined) : err(message)),
    );
  });
}
