import { Preset } from '../api/catalog.ts';
import { err, ok, type Result } from '../result.ts';
import { readSpec } from './read-spec.ts';

/**
 * Raw content of one catalog file to a preset that makes a whole deployment by itself.
 * @returns what is wrong with it, in words
 */
export function readPreset(raw: unknown): Result<Preset, string> {
  const parsed = Preset.safeParse(raw);
  if (!parsed.success)
    return err(
      parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; '),
    );
  const spec = readSpec(parsed.data.spec);
  if (spec.ok) return ok(parsed.data);
  return err(spec.error.map(({ field, message }) => `${field} ${message}`).join('; '));
}
