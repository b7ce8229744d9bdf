import { z } from 'zod';
import { err, ok, type Result } from '../result.ts';
import type { ApiError, KubernetesApi } from './api.ts';
import { KubernetesObject } from './object.ts';

const Page = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(KubernetesObject),
});

export type Listed = { readonly version: string; readonly objects: readonly KubernetesObject[] };

const PAGE = 500;
const TIMEOUT_MS = 30_000;

/** The whole collection, of one moment. A list that was cut short is an error, never a shorter list. */
export async function listAll(api: KubernetesApi, path: string): Promise<Result<Listed, ApiError>> {
  const objects: KubernetesObject[] = [];
  let next: string | undefined;
  for (;;) {
    const answer = await api.request({
      method: 'GET',
      path,
      query: { limit: String(PAGE), ...(next !== undefined && { continue: next }) },
      timeoutMs: TIMEOUT_MS,
    });
    if (!answer.ok) return answer;
    const page = Page.safeParse(answer.value);
    if (!page.success) return err({ kind: 'unknown', message: `this is no list: ${page.error.message}` });
    objects.push(...page.data.items);
    next = page.data.metadata.continue || undefined;
    if (next === undefined) return ok({ version: page.data.metadata.resourceVersion, objects });
  }
}
