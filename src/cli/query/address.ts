import type { Settings } from '../../config.ts';
import { err, ok, type Result } from '../../result.ts';
import { printable } from '../cli.ts';

/** vLLM's own default. */
const DEFAULT_PORT = 8000;

export type ByHand = { readonly host?: string; readonly port?: number };

/**
 * The address a person names, by flags or by the variables that vLLM's clients know.
 * @returns an origin such as `http://node001:8000`; undefined when none is named; an error in words
 */
export function addressByHand(
  { host, port }: ByHand,
  environment: Readonly<Record<string, string | undefined>>,
): Result<string | undefined, string> {
  const named = host ?? environment.VLLM_HOST;
  if (named === undefined || named === '') {
    return port === undefined ? ok(undefined) : err('--port needs a host: --host or VLLM_HOST');
  }
  const number = port ?? (environment.VLLM_PORT ? Number(environment.VLLM_PORT) : undefined);
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 65_535))
    return err(`VLLM_PORT is no port: ${printable(String(environment.VLLM_PORT))}`);
  const withScheme = /^https?:\/\//.test(named) ? named : `http://${bracketed(named)}`;
  if (!URL.canParse(withScheme)) return err(`not a host: ${printable(named)}`);
  const url = new URL(withScheme);
  if (url.username !== '' || url.password !== '')
    return err('a host with a name or password in it: give the key in VLLM_API_KEY');
  const isPlain = !/^https?:/.test(named) && url.port === '';
  if (number !== undefined) url.port = String(number);
  else if (isPlain) url.port = String(DEFAULT_PORT);
  return ok(url.origin);
}

/** A bare IPv6 address has to stand in brackets. */
function bracketed(host: string): string {
  return host.split(':').length > 2 && !host.startsWith('[') ? `[${host}]` : host;
}

/** What to put into a shell so that OpenAI's clients, and this one, ask the same endpoint. No key is in it. */
export function exportLines(origin: string, model: string, hasKey: boolean): readonly string[] {
  const { protocol, hostname, port } = new URL(origin);
  return [
    `export OPENAI_BASE_URL=${origin}/v1`,
    `export OPENAI_API_KEY=${hasKey ? '"$VLLM_API_KEY"' : 'none'}`,
    `export OPENAI_MODEL=${quoted(model)}`,
    `export VLLM_HOST=${protocol === 'http:' ? hostname : origin}`,
    `export VLLM_PORT=${port || (protocol === 'https:' ? '443' : '80')}`,
  ];
}

/**
 * How to reach an endpoint that is on a network of compute nodes, through a host that is on both.
 * @param again the command that asks through the tunnel, without its address
 */
export function tunnelLines(
  origin: string,
  { cluster }: { readonly cluster: Pick<Settings['cluster'], 'commandPrefix' | 'ssh'> },
  again: string,
): readonly string[] {
  const { hostname, port } = new URL(origin);
  const [program, ...words] = cluster.commandPrefix;
  const login = cluster.ssh.host ?? (program === 'ssh' ? words.at(-1) : undefined) ?? 'LOGIN-NODE';
  return [
    'Compute nodes are often not reached from elsewhere. Through a host that reaches them, in another terminal:',
    `  ssh -N -L ${port || 80}:${hostname}:${port || 80} ${login}`,
    'and then:',
    `  ${again} --host localhost --port ${port || 80}`,
  ];
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
