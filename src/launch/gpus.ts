/**
 * Memory of a GPU, GiB, by the name sites give it in `gres.conf`; the first row whose words are all in the name counts.
 * Where one name is sold with several sizes and does not say which, the largest: a warning must not be false.
 * Source: what `nvidia-smi` and `rocm-smi` report, rounded down.
 */
const GPUS: readonly { readonly words: RegExp; readonly memoryGiB: number }[] = [
  { words: /mi355x?|mi350x?/, memoryGiB: 288 },
  { words: /mi325x?/, memoryGiB: 256 },
  { words: /mi300a/, memoryGiB: 128 },
  { words: /mi300x?/, memoryGiB: 192 },
  { words: /mi250x?|mi210/, memoryGiB: 64 },
  { words: /gb300|b300/, memoryGiB: 275 },
  { words: /gb200|b200/, memoryGiB: 183 },
  { words: /gh200|h200/, memoryGiB: 140 },
  { words: /h100.*(94|nvl)/, memoryGiB: 93 },
  { words: /h100.*64/, memoryGiB: 64 },
  { words: /h100|h800/, memoryGiB: 79.6 },
  { words: /h20(?!\d)/, memoryGiB: 95 },
  { words: /a100.*40/, memoryGiB: 40 },
  { words: /a100.*64/, memoryGiB: 64 },
  { words: /a100|a800/, memoryGiB: 80 },
  { words: /rtx.?(pro)?.?6000.*(blackwell|96)|pro.?6000/, memoryGiB: 95 },
  { words: /l40s?|a40|a6000|rtx.?6000/, memoryGiB: 45 },
  { words: /v100.*16/, memoryGiB: 16 },
  { words: /v100/, memoryGiB: 32 },
  { words: /rtx.?5090/, memoryGiB: 31.8 },
  { words: /a30|a10|l4|rtx.?[34]090/, memoryGiB: 24 },
  { words: /t4/, memoryGiB: 15 },
];

/** @returns undefined for a type nobody has written down */
export function gpuMemoryGiB(type: string): number | undefined {
  const name = type.toLowerCase();
  return GPUS.find(({ words }) => words.test(name))?.memoryGiB;
}
