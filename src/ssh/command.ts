export type SshTarget = {
  /** A name of `~/.ssh/config`, or `user@host`. */
  readonly host: string;
  /** In place of `~/.ssh/config`. */
  readonly configFile?: string | undefined;
  /** `Name=value`, as in `~/.ssh/config`. */
  readonly options?: readonly string[] | undefined;
};

/**
 * What every call of ssh has in front. The first value ssh sees of an option counts: none of these can be changed, by a
 * configuration or by us. Nothing is asked of anybody, no host is taken on trust, a dead connection is noticed.
 */
export function sshWords({ configFile, options = [] }: SshTarget, connectMs: number): readonly string[] {
  const fixed = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `ConnectTimeout=${Math.max(1, Math.floor((connectMs * 2) / 3000))}`,
    'ServerAliveInterval=5',
    'ServerAliveCountMax=3',
    'ControlPersist=no',
    'EscapeChar=none',
    'ForkAfterAuthentication=no',
    'LogLevel=INFO',
    'PermitLocalCommand=no',
    'RemoteCommand=none',
    'RequestTTY=no',
    'StdinNull=no',
    'ForwardAgent=no',
    'ForwardX11=no',
  ];
  return [
    ...(configFile === undefined ? [] : ['-F', configFile]),
    ...[...fixed, ...options].flatMap((option) => ['-o', option]),
  ];
}

/**
 * Has a shell over there read its program, whatever the login shell is: nothing in it that any of them would read. The
 * key comes first, so that one which has its program already, as a forced command, finds it there too.
 */
export const BOOTSTRAP = `exec /bin/sh -c 'IFS= read -r vllm_key; IFS= read -r bytes; eval "$(head -c "$bytes")"'`;

export const preamble = (key: string, program: string): string => `${key}\n${Buffer.byteLength(program)}\n${program}\n`;
