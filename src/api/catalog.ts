import { z } from 'zod';
import { PRESET_PARTS } from './spec.ts';

/** What of a model must be known to tell whether it fits its GPUs. Figures are those of its `config.json`. */
export const ModelShape = z.strictObject({
  weightsGB: z.number().positive().describe('Of all files of weights, 10^9 bytes.'),
  attentionHeads: z.int().positive().describe('`num_attention_heads`: tensor parallelism must divide it.'),
  keyValue: z
    .strictObject({
      layers: z.int().positive().describe('Layers whose cache grows with the context: without those of a window.'),
      heads: z.int().positive().describe('`num_key_value_heads`; 1 where all heads share one latent vector (MLA).'),
      values: z
        .int()
        .positive()
        .describe('Numbers kept for one token, head and layer: twice `head_dim`, or the length of the latent vector.'),
    })
    .describe('The cache of keys and values.'),
  experts: z
    .strictObject({
      size: z.int().positive().describe('`moe_intermediate_size`.'),
      block: z.int().positive().describe('Block of the quantization.'),
    })
    .optional()
    .describe('Where weights are quantized in blocks: a rank must get whole ones of each expert.'),
});
export type ModelShape = z.output<typeof ModelShape>;

const parts = z.partialRecord(z.enum(PRESET_PARTS), z.record(z.string(), z.unknown()));

/** One file of a catalog. Its `spec` is what a person would write, and is read like it. */
export const Preset = z.strictObject({
  title: z.string().min(1),
  description: z.string().min(1),
  precision: z.string().min(1).describe('Of the weights: BF16, FP8, MXFP4.'),
  vision: z.boolean().default(false).describe('Takes images.'),
  gated: z
    .boolean()
    .default(false)
    .describe('The hub gives it only to who has accepted its licence: needs `model.tokenFrom`.'),
  contextTokens: z
    .int()
    .positive()
    .describe('The longest the model was made for; `spec.engine.maxModelLen` is what is served.'),
  minimumEngine: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'must be a version such as 0.15.1')
    .describe('The oldest vLLM that can load it.'),
  gpuMemoryGiB: z.number().positive().describe('Of the GPUs that `spec.resources` means.'),
  shape: ModelShape,
  spec: parts,
  notes: z.array(z.string()).default([]),
  sources: z
    .record(z.string(), z.string().min(1))
    .describe('By field, or the beginning of one: where its figures are from.'),
});
export type Preset = z.output<typeof Preset>;

export type CatalogEntry = { readonly name: string; readonly file: string; readonly preset: Preset };

export type Catalog = {
  readonly entries: ReadonlyMap<string, CatalogEntry>;
  /** Files that hold no preset, and why; harms nobody who does not ask for them. By the name they would have. */
  readonly broken: ReadonlyMap<string, string>;
};

export const EMPTY_CATALOG: Catalog = { entries: new Map(), broken: new Map() };
