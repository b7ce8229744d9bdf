import { Pool } from 'undici';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import type { SlurmError } from '../slurm.ts';

/** Where slurmrestd listens. */
export type RestServer = {
  /** `http://…` or `https://…`, without a path; for a socket only its scheme and host are sent. */
  readonly url: string;
  /** A unix socket in place of the URL's host and port. */
  readonly socketPath?: string;
  /** PEM. Default: the authorities Node.js knows. */
  readonly ca?: string;
};

export type HttpAnswer = { readonly status: number; readonly text: string };

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Calls of one server over a few connections that are kept. Never throws; every call has a deadline and an output cap. */
export type Http = {
  /** Any status is an answer. `unreachable`: nothing was sent; `unknown`: it may have been. @param withinMs at most `timeoutMs` */
  send(request: HttpRequest, withinMs: number): Promise<Result<HttpAnswer, SlurmError>>;
  close(): Promise<void>;
};

export type HttpOptions = {
  readonly server: RestServer;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
};

/** As many as calls may be made at a time, and the listing. */
const CONNECTIONS = 8;
const CONNECT_MS = 5_000;

export function createHttp({ server, clock, timeoutMs, maxOutputBytes }: HttpOptions): Http {
  const pool = new Pool(server.url, {
    connections: CONNECTIONS,
    // A second request on a connection would be lost with the first.
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: {
      timeout: Math.min(CONNECT_MS, timeoutMs),
      ...(server.socketPath !== undefined && { socketPath: server.socketPath }),
      ...(server.ca !== undefined && { ca: server.ca }),
    },
  });

  return {
    async send({ method, path, headers, body }, withinMs) {
      const stop = new AbortController();
      const disarm = clock.after(withinMs, () => stop.abort());
      try {
        const answer = await pool.request({
          method,
          path,
          headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }), ...headers },
          signal: stop.signal,
          ...(body !== undefined && { body }),
        });
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of answer.body) {
          bytes += chunk.length;
          if (bytes > maxOutputBytes) return err(unknown(`slurmrestd answered with more than ${maxOutputBytes} bytes`));
          chunks.push(chunk);
        }
        return ok({ status: answer.statusCode, text: Buffer.concat(chunks).toString('utf8') });
      } catch (error) {
        if (stop.signal.aborted)
          return err(unknown(`slurmrestd did not answer within ${Math.round(withinMs) / 1000} s`));
        return err(failureOf(error, server));
      } finally {
        disarm();
      }
    },
    close: () => pool.destroy(),
  };
}

const unknown = (message: string): SlurmError => ({ kind: 'unknown', message });

/** Ends of a connection that came before a request could be sent. Source: errno(3), undici's errors, Node's TLS errors. */
const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|ENOENT|EACCES|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|UNABLE_TO_\w+|ERR_TLS_\w+|ERR_SSL_\w+)$/;
const DISTRUST = /^(CERT_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|UNABLE_TO_\w+|ERR_TLS_\w+)$/;

function failureOf(error: unknown, { url, socketPath }: RestServer): SlurmError {
  const { code = '', message } =
    error instanceof Error ? (error as Error & { code?: string }) : { message: String(error) };
  const where = socketPath ?? url;
  const words = code === '' || message.includes(code) ? message : `${message} (${code})`;
  if (!NEVER_SENT.test(code)) return unknown(`slurmrestd at ${where} broke off: ${words}`);
  const advice = DISTRUST.test(code) ? '; cluster.rest.caFile names the authorities that are believed' : '';
  return { kind: 'unreachable', message: `no connection to slurmrestd at ${where}: ${words}${advice}` };
}
