import { createServer, type Server } from 'node:http';
import { err, ok, type Result } from '../result.ts';

/** Where to listen: `:8080`, `127.0.0.1:8080`, `[::1]:8080`. */
export type BindAddress = { readonly host: string | undefined; readonly port: number };

export type Page = { readonly code: number; readonly type: string; readonly text: string };
/** By path; the query is of no interest. */
export type Pages = Readonly<Record<string, () => Promise<Page>>>;

/** `address` is where it listens, with the port it was given where it asked for any. */
export type Endpoints = { readonly address: string; close(): Promise<void> };

/** @returns undefined for what is no address */
export function parseBindAddress(text: string): BindAddress | undefined {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (!found || port > 65_535) return undefined;
  return { host: found[1] ?? (found[2] || undefined), port };
}

/** Probes and scrapers: GET, small, quick, and gone after the answer. */
const PATIENCE_MS = 10_000;

export async function serveEndpoints(at: BindAddress, pages: Pages): Promise<Result<Endpoints, string>> {
  const server = createServer(
    { requestTimeout: PATIENCE_MS, headersTimeout: PATIENCE_MS, connectionsCheckingInterval: PATIENCE_MS },
    (request, response) => {
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      const known = Object.hasOwn(pages, path) ? pages[path] : undefined;
      const page = !known || !['GET', 'HEAD'].includes(request.method ?? '') ? notFound(pages) : known().catch(broken);
      void page.then(({ code, type, text }) => {
        response.writeHead(code, { 'content-type': type, 'x-content-type-options': 'nosniff' });
        response.end(text);
      });
    },
  );
  server.maxConnections = 64;
  try {
    await listen(server, at);
  } catch (error) {
    return err(`cannot listen on ${at.host ?? ''}:${at.port}: ${(error as Error).message}`);
  }
  const address = server.address();
  return ok({
    address: `${at.host ?? ''}:${typeof address === 'object' && address ? address.port : at.port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  });
}

const plain = (code: number, text: string): Page => ({ code, type: 'text/plain; charset=utf-8', text: `${text}\n` });
const notFound = async (pages: Pages): Promise<Page> => plain(404, `there is ${Object.keys(pages).join(', ')}`);
const broken = (error: unknown): Page => plain(500, error instanceof Error ? error.message : String(error));

/** What `/healthz` and `/readyz` are made of: each names what is wrong, or undefined. */
export type Checks = Readonly<Record<string, () => Promise<string | undefined> | string | undefined>>;

/** 200 when every check holds, else 500, and which is which, as the API server words it. */
export async function checkPage(checks: Checks): Promise<Page> {
  const found = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => ({ name, wrong: await check() })),
  );
  const lines = found.map(({ name, wrong }) => (wrong === undefined ? `[+]${name} ok` : `[-]${name} failed: ${wrong}`));
  const isGood = found.every(({ wrong }) => wrong === undefined);
  return plain(isGood ? 200 : 500, [...lines, isGood ? 'ok' : 'check failed'].join('\n'));
}

function listen(server: Server, { host, port }: BindAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host !== undefined && { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
