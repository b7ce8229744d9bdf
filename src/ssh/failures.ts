/**
 * What `ssh` says when no connection comes about: in order, first match wins, the last matches all. Nothing was sent in
 * any of these cases.
 */
export type SshFailure = {
  readonly reason: string;
  readonly words: RegExp;
  readonly means: string;
  readonly advice: string;
  /** Until the next try at most: what only a person can change is not asked for all the time. */
  readonly retryMs: number;
};

/** A firewall may shut out who is refused too often. */
const ASKS_FOR_A_PERSON_MS = 300_000;
const PASSES_MS = 30_000;

export const SSH_FAILURES = [
  {
    reason: 'HostKeyChanged',
    words: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/i,
    means: 'its host key is another than the known one: a new installation, or somebody in between',
    advice: 'ask the site for the key’s fingerprint; if it is right, `ssh-keygen -R HOST` and connect once by hand',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'HostKeyRevoked',
    words: /REVOKED HOST KEY|host key .* was revoked/i,
    means: 'its host key is marked as revoked',
    advice: 'ask the site; nothing is sent to it',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'HostKeyUnknown',
    words: /no \S+ host key is known for|host key verification failed/i,
    means: 'its host key is not known here, and is never taken on trust',
    advice: 'connect once by hand as the operator’s user and compare the fingerprint, or add the key to known_hosts',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'KeyUnprotected',
    words: /UNPROTECTED PRIVATE KEY FILE|bad permissions|bad owner or permissions on/i,
    means: 'ssh does not use a file that others may read or write',
    advice: 'chmod 600 the file it names, owned by the operator’s user',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'TooManyKeys',
    words: /too many authentication failures/i,
    means: 'the agent offered too many keys before the right one',
    advice: 'name the key for this host in ~/.ssh/config: IdentityFile and IdentitiesOnly yes',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'PermissionDenied',
    words: /permission denied \(/i,
    means: 'it lets nobody in by the keys that were offered, and nobody is asked for a password or a code',
    advice:
      'try `ssh -o BatchMode=yes HOST true`; where a second factor is wanted, open a shared connection by hand (ControlMaster, ControlPersist): it is used',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'Configuration',
    words: /bad configuration option|terminating, \d+ bad configuration|can't open user config file/i,
    means: 'ssh does not understand its configuration',
    advice: 'correct the line it names, or cluster.ssh.options',
    retryMs: ASKS_FOR_A_PERSON_MS,
  },
  {
    reason: 'NameUnknown',
    words: /could not resolve hostname/i,
    means: 'no host of that name is known',
    advice: 'set cluster.ssh.host to a name of ~/.ssh/config or to USER@HOST',
    retryMs: PASSES_MS,
  },
  {
    reason: 'Refused',
    words: /connection refused/i,
    means: 'nobody answers at that port',
    advice: 'see whether the host is up and the port is right',
    retryMs: PASSES_MS,
  },
  {
    reason: 'NoRoute',
    words: /no route to host|network is unreachable/i,
    means: 'the network does not lead there',
    advice: 'see whether the VPN is up, or set ProxyJump in ~/.ssh/config',
    retryMs: PASSES_MS,
  },
  {
    reason: 'NoAnswer',
    words: /timed out|did not answer within/i,
    means: 'it does not answer',
    advice: 'see whether the host is up and a firewall lets this machine through',
    retryMs: PASSES_MS,
  },
  {
    reason: 'NoSession',
    words: /session open refused by peer|administratively prohibited/i,
    means: 'it is connected, and grants no further session',
    advice: 'MaxSessions in its sshd_config has to be 10 at least, which is the default',
    retryMs: PASSES_MS,
  },
  {
    reason: 'ClosedEarly',
    words: /exchange_identification|banner exchange|connection (to \S+ )?(closed|reset|aborted)|closed by remote host/i,
    means: 'it closed the connection before anybody was let in',
    advice: 'it may be busy or restarting, or shut out this machine for a while',
    retryMs: PASSES_MS,
  },
  {
    reason: 'NoSsh',
    words: /ENOENT|ssh is not there/,
    means: 'there is no ssh here',
    advice: 'install the OpenSSH client and have it on PATH',
    retryMs: PASSES_MS,
  },
  {
    reason: 'NoShell',
    words: /(?:)/,
    means: 'somebody was let in, and nothing there understood the operator',
    advice:
      'the account needs /bin/sh with head and timeout; a key with a forced command, config/ssh/far-shell.sh of this version',
    retryMs: PASSES_MS,
  },
] as const satisfies readonly SshFailure[];

/** @param words on stderr, and how it ended */
export function sshFailure(words: string): SshFailure {
  return SSH_FAILURES.find((row) => row.words.test(words)) as SshFailure;
}

/** In one line, with ssh's own words. */
export function explainFailure(host: string, words: string): string {
  const { means, advice, words: pattern } = sshFailure(words);
  const lines = words
    .split(/\r?\n/)
    .map((line) => line.trim().replace(/\.+$/, ''))
    .filter((line) => /\w/.test(line));
  // The longest says most: which key of which host, not only that it failed.
  const [own = 'it said nothing'] = lines.filter((line) => pattern.test(line)).sort((a, b) => b.length - a.length);
  return `no connection to ${host}: ${means} (ssh: ${own.slice(0, MAX_WORDS)}). ${advice.replaceAll('HOST', host)}`;
}
const MAX_WORDS = 300;
