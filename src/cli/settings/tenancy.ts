import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Catalog } from '../../api/catalog.ts';
import { type Tenancy, TenancyFile, tenancyOn } from '../../launch/tenancy.ts';
import { err, ok, type Result } from '../../result.ts';
import { fileLayer } from './layers.ts';

/**
 * The rules of this cluster. A file that cannot be read as a whole stops the operator: with half of the rules somebody
 * would be given what is not theirs.
 * @returns undefined when no file is named; an error in words, a line each problem
 */
export function readTenancy(
  file: string | undefined,
  cluster: string,
  catalog: Pick<Catalog, 'entries'>,
): Result<Tenancy | undefined, string> {
  if (file === undefined) return ok(undefined);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return err(`kubernetes.tenancyFile cannot be read: ${(error as Error).message}`);
  }
  const { layer, problems } = fileLayer(file, path.dirname(file), text);
  if (problems.length > 0) return err(problems.map(({ where, message }) => `${where}: ${message}`).join('\n'));
  const parsed = TenancyFile.safeParse(layer.values);
  if (parsed.success) return ok(tenancyOn(parsed.data, cluster, catalog));
  return err(
    parsed.error.issues
      .map(({ path: at, message }) => `${layer.where(at.map(String))}: ${at.join('.')}: ${message}`)
      .join('\n'),
  );
}
