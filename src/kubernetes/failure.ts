import { z } from 'zod';
import type { ApiError } from './api.ts';

/** The API server's own word on a failure: the fields of `meta/v1 Status` that are read. */
const StatusBody = z.object({
  message: z.string().default(''),
  reason: z.string().default(''),
  code: z.number().optional(),
  details: z.object({ name: z.string().optional() }).nullish(),
});

/** Codes by which the server says that it has not even begun. */
const NOT_BEGUN = [429, 503];
const LONGEST_MESSAGE = 1024;

/** An answer that is no success. */
export function refusalOf(code: number, body: string): ApiError {
  const said = StatusBody.safeParse(parsed(body));
  const reason = said.success ? said.data.reason : '';
  const words = said.success && said.data.message !== '' ? said.data.message : body.trim();
  const message = `the API server answered ${code}${reason === '' ? '' : ` ${reason}`}: ${words.slice(0, LONGEST_MESSAGE)}`;
  if (NOT_BEGUN.includes(code)) return { kind: 'unreachable', message };
  if (code >= 500) return { kind: 'unknown', message };
  const about = said.success ? said.data.details?.name || undefined : undefined;
  return { kind: 'refused', code, reason, message, ...(about !== undefined && { about }) };
}

/** The `Status` that ends a watch in an event of type ERROR. */
export function refusalIn(event: unknown): ApiError {
  const said = StatusBody.safeParse(event);
  return refusalOf((said.success ? said.data.code : undefined) ?? 500, JSON.stringify(event) ?? '');
}

/** Errors that come before the first byte of a request has left. */
const BEFORE_ARRIVAL = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
];

/** An exception of the connection, or a body that is not what it should be. */
export function failureOf(error: unknown): ApiError {
  const { name = '', code = '', message = String(error) } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  if (BEFORE_ARRIVAL.includes(code))
    return { kind: 'unreachable', message: `no connection to the API server: ${message}` };
  if (name === 'TimeoutError') return { kind: 'unknown', message: 'the API server did not answer in time' };
  return { kind: 'unknown', message: `the API server's answer was lost: ${message}` };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
