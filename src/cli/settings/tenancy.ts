import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Catalog } from '../../api/catalog.ts';
import { type Tenancy, TenancyFile, tenancyOn } from '../../launch/tenancy.ts';
import { err, ok, type Result } from '../../result.ts';
import { fileLayer } from './layers.ts';

/** Whose rules they are: what decides which of the file's count, and what a preset gives unasked. */
export type TenancyPlace = {
  readonly file: string;
  readonly cluster: string;
  readonly catalog: Pick<Catalog, 'entries'>;
};

/** @returns an error in words */
export function readTenancyText(file: string): Result<string, string> {
  try {
    return ok(readFileSync(file, 'utf8'));
  } catch (error) {
    return err(`kubernetes.tenancyFile cannot be read: ${(error as Error).message}`);
  }
}

/**
 * The rules of this cluster. A text with a mistake is no rules at all: with half of them somebody would be given what is
 * not theirs.
 * @returns an error in words, a line each problem
 */
export function parseTenancy(text: string, { file, cluster, catalog }: TenancyPlace): Result<Tenancy, string> {
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
