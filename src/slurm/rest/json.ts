import { z } from 'zod';

/** Values as versions of the API write them. Source: recorded answers of v0.0.38, v0.0.42 and v0.0.45. */

/** Plain or null in 22.05; later `{set, infinite, number}`. Undefined: unset, without end, or 0, which is how times say it. */
export const Quantity = z
  .union([z.number(), z.null(), z.object({ set: z.boolean(), infinite: z.boolean(), number: z.number() })])
  .optional()
  .transform((value) => {
    if (typeof value === 'number') return value;
    return value?.set && !value.infinite ? value.number : undefined;
  });

/** Epoch seconds to ms; what is not set is 0 or absent. */
export const Time = Quantity.transform((seconds) => (seconds ? seconds * 1000 : undefined));

/** A word in 22.05, a list of words later. */
export const Words = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());

/** Null in 22.05 where others are empty. */
export const Text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

/** A raw wait status in 22.05; in its accounting and later, code and signal apart. */
export const ExitCode = z
  .union([
    z.number(),
    z.looseObject({
      return_code: Quantity,
      signal: z
        .union([
          z.looseObject({ id: Quantity }),
          z.looseObject({ signal_id: Quantity }).transform(({ signal_id }) => ({ id: signal_id })),
        ])
        .nullish(),
    }),
  ])
  .nullish()
  .transform((value) => {
    if (typeof value === 'number') return { exitCode: (value >> 8) & 0xff, signal: value & 0x7f };
    return { exitCode: value?.return_code ?? 0, signal: value?.signal?.id ?? 0 };
  });

/** @returns undefined for what is no JSON: no shape takes it */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What every answer may hold beside what was asked for. */
export const Envelope = z.looseObject({
  errors: z
    .array(
      z.looseObject({
        description: Text,
        error: Text,
        error_number: z.number().optional(),
        error_code: z.number().optional(),
      }),
    )
    .nullish()
    .transform((value) => value ?? []),
  warnings: z
    .array(z.looseObject({ description: Text }))
    .nullish()
    .transform((value) => value ?? []),
});
export type Envelope = z.output<typeof Envelope>;
