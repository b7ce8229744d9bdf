import { parseArgs } from 'node:util';
import OpenAI from 'openai';

/**
 * `load.ts --url URL --model NAME [--seconds 60] [--concurrency 4] [--max-tokens 32]`: so many conversations at once,
 * each the next as the last ends, with OpenAI's own client. Prints one JSON object. Bounded in every way.
 */
export type Load = {
  readonly url: string;
  readonly model: string;
  readonly seconds: number;
  /** At most 64. */
  readonly concurrency: number;
  readonly maxTokens: number;
};

export type LoadReport = {
  readonly requests: number;
  readonly tokens: number;
  /** Message and how often, the first 20 kinds. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the whole answer, ms. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Longest time without any token from anybody, ms. */
  readonly longestSilenceMs: number;
};

export async function applyLoad(load: Load): Promise<LoadReport> {
  const client = new OpenAI({ baseURL: `${load.url}/v1`, apiKey: 'none', maxRetries: 0, timeout: 120_000 });
  const endMs = performance.now() + load.seconds * 1000;
  const failures = new Map<string, number>();
  const durations: number[] = [];
  let tokens = 0;
  let lastTokenMs = performance.now();
  let longestSilenceMs = 0;

  async function converse(): Promise<void> {
    const startMs = performance.now();
    const stream = await client.chat.completions.create({
      model: load.model,
      messages: [{ role: 'user', content: 'Tell me about the quick brown fox.' }],
      max_tokens: load.maxTokens,
      stream: true,
    });
    for await (const chunk of stream) {
      // An engine that dies says so inside an answer that began well.
      if ('error' in chunk) throw new Error(JSON.stringify(chunk.error).slice(0, 200));
      const now = performance.now();
      longestSilenceMs = Math.max(longestSilenceMs, now - lastTokenMs);
      lastTokenMs = now;
      if (chunk.choices[0]?.delta.content) tokens += 1;
    }
    durations.push(performance.now() - startMs);
  }

  async function talk(): Promise<void> {
    while (performance.now() < endMs) {
      try {
        await converse();
      } catch (error) {
        const words = (error as Error).message.slice(0, 200);
        if (failures.size < 20 || failures.has(words)) failures.set(words, (failures.get(words) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  await Promise.all(Array.from({ length: Math.min(64, load.concurrency) }, talk));
  const sorted = durations.toSorted((a, b) => a - b);
  const at = (share: number): number | undefined => {
    const duration = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return duration === undefined ? undefined : Math.round(duration);
  };
  return {
    requests: durations.length,
    tokens,
    failures: Object.fromEntries(failures),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    longestSilenceMs: Math.round(longestSilenceMs),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      model: { type: 'string' },
      seconds: { type: 'string', default: '60' },
      concurrency: { type: 'string', default: '4' },
      'max-tokens': { type: 'string', default: '32' },
    },
  });
  if (!values.url || !values.model) throw new Error('--url and --model are needed');
  const report = await applyLoad({
    url: values.url,
    model: values.model,
    seconds: Number(values.seconds),
    concurrency: Number(values.concurrency),
    maxTokens: Number(values['max-tokens']),
  });
  console.log(JSON.stringify(report));
}
