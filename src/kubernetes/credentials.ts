import { readFileSync } from 'node:fs';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { err, ok, type Result } from '../result.ts';

/** Who we are to which API server. Tokens and certificates are read anew as they rotate. */
export type Credentials = {
  readonly server: string;
  /** Where we live: of the service account, else of the context, else `default`. */
  readonly namespace: string;
  /** What this call is made with. Rejects when the credentials cannot be had. */
  present(): Promise<{ readonly headers: Readonly<Record<string, string>>; readonly tls: TlsMaterial }>;
  /** A pool of connections for this TLS material, HTTP/1.1: a dead one is left behind by itself, alone. */
  connect(tls: TlsMaterial): Dispatcher;
};

export type TlsMaterial = {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
};

export type CredentialsOptions = {
  /** Default: `KUBECONFIG`, else the service account of this pod, else `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Default: the current one. */
  readonly context?: string;
};

const SERVICE_ACCOUNT_NAMESPACE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
const CONNECT_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;

/** @returns an error in words when there is no cluster to speak to */
export function loadCredentials(options: CredentialsOptions = {}): Result<Credentials, string> {
  const config = new KubeConfig();
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
    if (options.context !== undefined) config.setCurrentContext(options.context);
  } catch (error) {
    return err(`the kubeconfig cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const cluster = config.getCurrentCluster();
  if (!cluster)
    return err(
      options.context === undefined
        ? 'no Kubernetes cluster is known: set kubernetes.kubeconfig or KUBECONFIG, or run in a pod with a service account'
        : `the kubeconfig has no context ${options.context}`,
    );
  const { server, proxyUrl } = cluster;
  if (!server.startsWith('https://'))
    return err(`${server} is not https: credentials are not sent over an open connection`);
  if (proxyUrl?.startsWith('socks')) return err('a SOCKS proxy of the kubeconfig is not supported: use an HTTP proxy');

  return ok({
    server: server.replace(/\/+$/, ''),
    namespace: namespaceOfPod(config) ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    async present() {
      const options: Parameters<KubeConfig['applyToHTTPSOptions']>[0] & TlsMaterial = { headers: {} };
      await config.applyToHTTPSOptions(options);
      const { ca, cert, key, rejectUnauthorized, servername } = options;
      const basic =
        typeof options.auth === 'string' ? `Basic ${Buffer.from(options.auth).toString('base64')}` : undefined;
      return {
        headers: {
          ...(options.headers as Readonly<Record<string, string>>),
          ...(basic !== undefined && { Authorization: basic }),
        },
        tls: {
          ...(ca !== undefined && { ca }),
          ...(cert !== undefined && { cert }),
          ...(key !== undefined && { key }),
          ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
          ...(servername !== undefined && { servername }),
        },
      };
    },
    connect(tls) {
      const connect = { ...tls, timeout: CONNECT_MS, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
      return proxyUrl === undefined
        ? new Agent({ connect, connections: 32, pipelining: 1 })
        : new ProxyAgent({ uri: proxyUrl, requestTls: connect, connections: 32 });
    },
  });
}

/** Only when the credentials are those of the pod: a kubeconfig may lead elsewhere. */
function namespaceOfPod(config: KubeConfig): string | undefined {
  if (config.getCurrentContext() !== 'inClusterContext') return undefined;
  try {
    return readFileSync(SERVICE_ACCOUNT_NAMESPACE, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
