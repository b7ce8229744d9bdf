import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainFailure, type SSH_FAILURES, sshFailure } from '../../src/ssh/failures.ts';

/** What OpenSSH 9.2 and 8.0 say, recorded; one of each at least. */
const SAID: Readonly<Record<(typeof SSH_FAILURES)[number]['reason'], readonly string[]>> = {
  HostKeyChanged: [
    [
      '@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@',
      '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @',
      'IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!',
      'Host key for [127.0.0.1]:2222 has changed and you have requested strict checking.',
      'Host key verification failed.',
    ].join('\r\n'),
  ],
  HostKeyRevoked: ['WARNING: REVOKED HOST KEY DETECTED!\nHost key verification failed.'],
  HostKeyUnknown: [
    'No ED25519 host key is known for login1 and you have requested strict checking.\r\nHost key verification failed.',
    'Host key verification failed.',
  ],
  KeyUnprotected: [
    'Permissions 0644 for \'/home/ada/.ssh/id\' are too open.\nLoad key "/home/ada/.ssh/id": bad permissions\nada@login1: Permission denied (publickey).',
    'Bad owner or permissions on /home/ada/.ssh/config',
  ],
  TooManyKeys: [
    'Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\nDisconnected from 10.0.0.1 port 22',
  ],
  PermissionDenied: ['ada@login1: Permission denied (publickey,keyboard-interactive).'],
  Configuration: [
    'command-line: line 0: Bad configuration option: nonsense',
    "Can't open user config file /x: No such file or directory",
  ],
  NameUnknown: ['ssh: Could not resolve hostname login1: Name or service not known'],
  Refused: ['ssh: connect to host login1 port 22: Connection refused'],
  NoRoute: [
    'ssh: connect to host login1 port 22: No route to host',
    'ssh: connect to host 10.0.0.1 port 22: Network is unreachable',
  ],
  NoAnswer: [
    'ssh: connect to host login1 port 22: Connection timed out',
    'Connection timed out during banner exchange',
    '\nit did not answer within 15 s',
  ],
  NoSession: [
    'mux_client_request_session: session request failed: Session open refused by peer\nConnection closed by UNKNOWN port 65535',
  ],
  ClosedEarly: [
    'kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.0.0.1 port 22',
    'Connection reset by 10.0.0.1 port 22',
  ],
  NoSsh: ['spawn ssh ENOENT'],
  NoShell: ['', 'This account is currently not available.', 'it exited with 127'],
};

for (const [reason, said] of Object.entries(SAID)) {
  test(`ssh's words are recognised: ${reason}`, () => {
    assert.deepEqual(
      said.map((words) => sshFailure(words).reason),
      said.map(() => reason),
    );
  });
}

test('what is told is one line: the host, what it means, ssh’s own words, what to do', () => {
  assert.equal(
    explainFailure('login1', SAID.HostKeyChanged[0] ?? ''),
    'no connection to login1: its host key is another than the known one: a new installation, or somebody in between (ssh: Host key for [127.0.0.1]:2222 has changed and you have requested strict checking). ask the site for the key’s fingerprint; if it is right, `ssh-keygen -R login1` and connect once by hand',
  );
  for (const words of Object.values(SAID).flat()) assert.ok(!explainFailure('login1', words).includes('\n'));
});
