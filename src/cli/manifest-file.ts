import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { Catalog } from '../api/catalog.ts';
import type { SpecProblem } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import { type Claim, readDocuments } from '../store/directory/documents.ts';
import type { StoreProblem } from '../store/store.ts';
import { type Cli, fail } from './cli.ts';

/** A deployment of a file whose spec is good. */
export type GoodClaim = Claim & { readonly spec: Spec };

/**
 * Runs `use` with every deployment of a file, or tells all that is wrong with it, as the operator would.
 * @param file `-` is stdin
 * @returns the exit code
 */
export async function withManifests(
  cli: Cli,
  file: string,
  catalog: Catalog,
  use: (claims: readonly GoodClaim[]) => Promise<number>,
): Promise<number> {
  const shown = file === '-' ? 'stdin' : file;
  let content: Uint8Array;
  try {
    content =
      file === '-' ? Buffer.from(await text(process.stdin)) : await readFile(path.resolve(cli.workingDirectory, file));
  } catch (error) {
    return fail(cli, `${shown} cannot be read: ${(error as Error).message}`);
  }
  const { claims, problems } = readDocuments(shown, content, catalog);
  const wrong = [
    ...problems.map(problemLine),
    ...claims.flatMap(({ declared }) => (declared.spec.ok ? [] : declared.spec.error.map(fieldLine))),
  ];
  if (wrong.length > 0) return fail(cli, wrong.join('\nerror: '));
  const good = claims.flatMap((claim) =>
    claim.declared.spec.ok ? [{ ...claim, spec: claim.declared.spec.value }] : [],
  );
  return good.length > 0 ? use(good) : fail(cli, `${shown} holds no deployment`);
}

function problemLine({ file, line, message }: StoreProblem): string {
  return `${line === undefined ? file : `${file}:${line}`}: ${message}`;
}

function fieldLine({ file, line, field, message }: SpecProblem): string {
  return `${file ?? ''}${line === undefined ? '' : `:${line}`}: ${field}: ${message}`;
}
