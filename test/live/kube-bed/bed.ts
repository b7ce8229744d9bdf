import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { until } from '../operator/until.ts';
import { makeAuthority } from './authority.ts';
import { findPrograms } from './programs.ts';

/** A real API server on its own etcd, on loopback; no nodes, no controllers. */
export type KubeBed = {
  readonly directory: string;
  readonly port: number;
  /** A file for clients. Default: of one who may do everything, straight to the server. */
  kubeconfig(name: string, as?: { readonly token?: string; readonly port?: number }): Promise<string>;
  /** As one who may do everything. Answers with stdout; throws when it fails. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** As `kubectl`, with this on stdin. */
  kubectlWith(input: string, ...args: readonly string[]): Promise<string>;
  /** What the API server has to say against a manifest that it takes, as kubectl prints it on stderr. */
  warningsOf(manifest: string): Promise<string>;
  /** As a crash would. */
  killApiServer(): Promise<void>;
  /** Resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** Every request of a user so far, from the audit log. */
  requestsOf(username: string): Promise<readonly AuditedRequest[]>;
  /** Etcd forgets the past: a watch that wants to go on from there hears 410. */
  compact(): Promise<void>;
  stop(): Promise<void>;
};

export type AuditedRequest = { readonly verb: string; readonly resource: string; readonly code: number };

const READY_MS = 120_000;

export async function startKubeBed(): Promise<KubeBed> {
  const programs = await findPrograms();
  const directory = await mkdtemp(join(tmpdir(), 'kube-bed-'));
  const file = (name: string): string => join(directory, name);
  const [port = 0, etcdPort = 0, peerPort = 0] = await freePorts(3);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const adminToken = randomBytes(16).toString('hex');
  const authority = await makeAuthority(directory);
  await writeFile(file('tokens.csv'), `${adminToken},admin,admin,"system:masters"\n`, { mode: 0o600 });
  await writeFile(file('audit.yaml'), AUDIT_POLICY);

  const etcd = start(programs.etcd, [
    `--data-dir=${file('etcd')}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  ]);
  let apiServer: Daemon | undefined;

  /** Should the test be killed, nothing is left behind. */
  function start(program: string, args: readonly string[]): Daemon {
    const log = openSync(file(`${program.split('/').at(-1)}.log`), 'a');
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      cwd: directory,
      stdio: ['ignore', log, log],
    });
    const ended = new Promise<void>((resolve) => {
      child.on('close', () => resolve());
      child.on('error', () => resolve());
    });
    return { child, ended };
  }

  async function startApiServer(): Promise<void> {
    apiServer = start(programs.apiServer, [
      `--etcd-servers=${etcdUrl}`,
      // Compaction is the bed's own to do, when a story wants it.
      '--etcd-compaction-interval=0',
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${port}`,
      '--endpoint-reconciler-type=none',
      '--service-cluster-ip-range=10.96.0.0/12',
      `--tls-cert-file=${authority.serverCertificate}`,
      `--tls-private-key-file=${authority.serverKey}`,
      `--client-ca-file=${authority.certificate}`,
      `--cert-dir=${directory}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${authority.serviceAccountKey}`,
      `--service-account-signing-key-file=${authority.serviceAccountKey}`,
      '--disable-admission-plugins=ServiceAccount',
      `--audit-policy-file=${file('audit.yaml')}`,
      `--audit-log-path=${file('audit.log')}`,
      '--audit-log-mode=blocking-strict',
    ]);
    await until('the API server ready', async () => (await isReady()) || undefined, READY_MS);
  }

  async function isReady(): Promise<boolean> {
    if (apiServer?.child.exitCode !== null)
      throw new Error(`kube-apiserver ended: ${(await readFile(file('kube-apiserver.log'), 'utf8')).slice(-2000)}`);
    const ready = await execa(programs.kubectl, ['get', '--raw=/readyz'], {
      env: { KUBECONFIG: file('admin.kubeconfig') },
      reject: false,
      timeout: 10_000,
    });
    return ready.exitCode === 0;
  }

  async function killApiServer(): Promise<void> {
    apiServer?.child.kill('SIGKILL');
    await apiServer?.ended;
  }

  async function kubeconfig(name: string, as: Parameters<KubeBed['kubeconfig']>[1] = {}): Promise<string> {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'bed',
          cluster: { server: `https://127.0.0.1:${as.port ?? port}`, 'certificate-authority': authority.certificate },
        },
      ],
      users: [{ name: 'user', user: { token: as.token ?? adminToken } }],
      contexts: [{ name: 'bed', context: { cluster: 'bed', user: 'user', namespace: 'default' } }],
      'current-context': 'bed',
    };
    await writeFile(file(name), JSON.stringify(config), { mode: 0o600 });
    return file(name);
  }

  const kubectlAs = (input: string, args: readonly string[]) =>
    execa(programs.kubectl, args, {
      env: { KUBECONFIG: file('admin.kubeconfig'), HOME: directory },
      input,
      timeout: 180_000,
    });

  async function kubectlWith(input: string, ...args: readonly string[]): Promise<string> {
    return (await kubectlAs(input, args)).stdout;
  }

  async function stop(): Promise<void> {
    await killApiServer();
    etcd.child.kill('SIGKILL');
    await etcd.ended;
    await rm(directory, { recursive: true, force: true });
  }

  try {
    await kubeconfig('admin.kubeconfig');
    await startApiServer();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    directory,
    port,
    kubeconfig,
    kubectl: (...args) => kubectlWith('', ...args),
    kubectlWith,
    warningsOf: async (manifest) => (await kubectlAs(manifest, ['apply', '--server-side', '-f', '-'])).stderr,
    killApiServer,
    startApiServer,
    async requestsOf(username) {
      const lines = (await readFile(file('audit.log'), 'utf8')).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as AuditLine).flatMap((line) => audited(line, username));
    },
    async compact() {
      const revision = JSON.parse(await post(`${etcdUrl}/v3/kv/range`, { key: 'AA==' })) as {
        readonly header: { readonly revision: string };
      };
      await post(`${etcdUrl}/v3/kv/compaction`, { revision: revision.header.revision, physical: true });
    },
    stop,
  };
}

type Daemon = { readonly child: ChildProcess; readonly ended: Promise<void> };

/** Metadata of every request, once it is answered; of a watch also when it begins. */
const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{ level: Metadata }]
`;

type AuditLine = {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly apiGroup?: string };
  readonly responseStatus?: { readonly code?: number };
};

function audited({ verb, user, objectRef, responseStatus }: AuditLine, of: string): readonly AuditedRequest[] {
  if (user.username !== of) return [];
  const { resource = '', subresource, apiGroup = '' } = objectRef ?? {};
  const name = `${apiGroup === '' ? '' : `${apiGroup}/`}${resource}${subresource === undefined ? '' : `/${subresource}`}`;
  return [{ verb, resource: name, code: responseStatus?.code ?? 0 }];
}

async function post(url: string, body: object): Promise<string> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) });
  return answer.text();
}

/** Free a moment ago, and not handed out again soon. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address ? address.port : 0);
          }),
        ),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
