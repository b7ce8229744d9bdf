import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { err, ok, type Result } from '../../result.ts';

export type Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };
export type Message = {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly Part[];
};

/** A third more in base64; vLLM's server takes far more, the models do not. */
const MAX_IMAGE_BYTES = 32 * 1024 * 1024;

/** What a file begins with. Source: the formats' own signatures. */
const IMAGE_TYPES: readonly { readonly type: string; readonly begins: RegExp }[] = [
  { type: 'image/png', begins: /^\x89PNG\r\n/ },
  { type: 'image/jpeg', begins: /^\xff\xd8\xff/ },
  { type: 'image/gif', begins: /^GIF8[79]a/ },
  { type: 'image/webp', begins: /^RIFF[\s\S]{4}WEBP/ },
  { type: 'image/bmp', begins: /^BM/ },
  { type: 'image/tiff', begins: /^(II\*\0|MM\0\*)/ },
];

/** @param urls of images: `data:` with the whole image, or where the engine fetches it */
export function userMessage(prompt: string, urls: readonly string[]): Message {
  if (urls.length === 0) return { role: 'user', content: prompt };
  const images = urls.map((url): Part => ({ type: 'image_url', image_url: { url } }));
  return { role: 'user', content: [...images, { type: 'text', text: prompt }] };
}

/** @returns a `data:` URL; an error in words when the file is no image a model could take */
export async function imageUrl(file: string, workingDirectory: string): Promise<Result<string, string>> {
  const whole = path.resolve(workingDirectory, file);
  try {
    const { size } = await stat(whole);
    if (size > MAX_IMAGE_BYTES) return err(`${file} is too large: ${size} bytes, at most ${MAX_IMAGE_BYTES}`);
    const bytes = await readFile(whole);
    const type = IMAGE_TYPES.find(({ begins }) => begins.test(bytes.subarray(0, 16).toString('latin1')))?.type;
    if (type === undefined)
      return err(`${file} is no image: PNG, JPEG, GIF, WebP, BMP and TIFF are known by their first bytes`);
    return ok(`data:${type};base64,${bytes.toString('base64')}`);
  } catch (error) {
    return err(`${file} cannot be read: ${(error as Error).message}`);
  }
}
