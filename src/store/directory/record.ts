import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { type Catalog, EMPTY_CATALOG } from '../../api/catalog.ts';
import { type Key, sameKey } from '../../api/key.ts';
import { API_VERSION, KIND } from '../../api/resource.ts';
import { Status } from '../../api/status.ts';
import { rfc3339Ms } from '../../api/time.ts';
import { readSpec } from '../../launch/read-spec.ts';
import { presetHash } from '../../launch/spec-hash.ts';
import { err, ok, type Result } from '../../result.ts';
import { canonicalJson, type Held } from '../revise.ts';
import type { StoreProblem } from '../store.ts';
import { blockYaml, type Plain } from './block-yaml.ts';
import { lineOfField } from './positions.ts';

/** What a status file remembers of a resource. */
export type Recorded = {
  readonly held: Held;
  /** The file that declared it last. */
  readonly source: string;
  /** The store it belongs to. */
  readonly storeId: string;
};

const END = '\n...\n';
const time = z.iso.datetime();

/** `format` rises when an older release must not touch the file; fields that only tell more come without. */
const RecordFile = z.object({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal(`${KIND}Status`),
  format: z.literal(1),
  store: z.string().min(1),
  source: z.string(),
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string().min(1),
    generation: z.int().min(1),
    creationTimestamp: time,
    deletionTimestamp: time.optional(),
    finalizers: z.array(z.string()).default([]),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  specGeneration: z.int().min(0),
  specDigest: z.string().describe('Of the spec that `metadata.generation` was counted for.'),
  spec: z.unknown().optional().describe('The last good one, as it was written.'),
  status: Status.default({}),
});

export function formatRecord({ held, source, storeId }: Recorded): string {
  const { resource, goodText, seenDigest } = held;
  const { key, uid, generation, createdMs, deletingSinceMs, finalizers, annotations, specGeneration, status } =
    resource;
  const body: Omit<z.input<typeof RecordFile>, 'spec'> & { readonly spec?: Plain } = {
    apiVersion: API_VERSION,
    kind: `${KIND}Status`,
    format: 1,
    store: storeId,
    source,
    metadata: {
      ...key,
      uid,
      generation,
      creationTimestamp: rfc3339Ms(createdMs),
      ...(deletingSinceMs !== undefined && { deletionTimestamp: rfc3339Ms(deletingSinceMs) }),
      finalizers: [...finalizers],
      annotations: { ...annotations },
    },
    specGeneration,
    specDigest: seenDigest,
    ...(goodText !== undefined && { spec: JSON.parse(goodText) as Plain }),
    status,
  };
  // The last line proves that the file is whole.
  return `# Kept by vllm-slurm: what it remembers of ${key.name}. The resource itself is in ${JSON.stringify(source)}.\n${blockYaml(body)}...\n`;
}

/** The way back. A file that says less than the whole truth is refused: uid and attempt counters hang on it. */
export function parseRecord(
  file: string,
  key: Key,
  text: string,
  catalog: Catalog = EMPTY_CATALOG,
): Result<Recorded, StoreProblem> {
  const refuse = (message: string, line?: number) => err({ file, ...(line !== undefined && { line }), message });
  if (!text.replaceAll('\r\n', '\n').endsWith(END))
    return refuse('is cut off: its last line must be "..."', text.split('\n').length);

  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [fault] = document.errors;
  if (fault) return refuse(`cannot be read: ${fault.message}`, lines.linePos(fault.pos[0]).line);
  const parsed = RecordFile.safeParse(document.toJS({ maxAliasCount: 0 }));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') ?? '';
    return refuse(`cannot be understood: ${field}: ${issue?.message}`, lineOfField(document, lines, field));
  }
  const { metadata, status, source, store, spec, specDigest, specGeneration } = parsed.data;
  if (!sameKey(metadata, key)) return refuse(`belongs to ${metadata.namespace}/${metadata.name}, as it says itself`);

  const goodText = spec === undefined ? undefined : canonicalJson(spec);
  const read = readSpec(spec, catalog);
  const specHash = presetHash(spec);
  return ok({
    source,
    storeId: store,
    held: {
      seenDigest: specDigest,
      goodText,
      resource: {
        key,
        uid: metadata.uid,
        generation: metadata.generation,
        version: '0',
        createdMs: Date.parse(metadata.creationTimestamp),
        ...(metadata.deletionTimestamp !== undefined && { deletingSinceMs: Date.parse(metadata.deletionTimestamp) }),
        finalizers: metadata.finalizers,
        annotations: metadata.annotations,
        // A release may be stricter than the one that found it good, a catalog may lack its preset; then there is none until it is written anew.
        spec: read.ok ? read.value : undefined,
        ...(read.ok && specHash !== undefined && { specHash }),
        specGeneration,
        problems: [],
        status,
      },
    },
  });
}
