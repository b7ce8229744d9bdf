import path from 'node:path';
import type { Spec } from '../api/spec.ts';
import { err, ok, type Result } from '../result.ts';
import { createStandaloneSecrets } from '../secrets/standalone.ts';
import { type Cli, say } from './cli.ts';

/** vLLM's own name for it. */
const VARIABLE = 'VLLM_API_KEY';

/**
 * The key a person shows to an endpoint: from the file of the flag, else the environment, else the place the spec names.
 * @param file of `--api-key-file`: sent to whatever the spec says
 * @returns undefined where none is needed; an error in words where one is and cannot be read
 */
export async function readApiKey(
  cli: Cli,
  namespace: string,
  { endpoint: { apiKeyFrom } }: Pick<Spec, 'endpoint'>,
  file: string | undefined,
): Promise<Result<string | undefined, string>> {
  const { environment, clock, workingDirectory } = cli;
  const fromSpec = apiKeyFrom && environment[VARIABLE] !== undefined ? { env: VARIABLE } : apiKeyFrom;
  const source = file === undefined ? fromSpec : { file: path.resolve(workingDirectory, file) };
  if (!source) return ok(undefined);
  const warn = (message: string) => say(cli, `warning: ${message}`);
  const read = await createStandaloneSecrets({ environment, clock, warn }).read(namespace, source);
  return read.ok ? read : err(read.error.message);
}
