import { request as ask, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Stands before a real slurmrestd, passes on what is asked, and now and then loses, halves or delays an answer. */
export type Front = {
  readonly url: string;
  /** What happens to the answers to come whose question matches, so many of them. */
  disturb(question: RegExp, trouble: Trouble, times: number): void;
  close(): Promise<void>;
};

export type Trouble = 'is lost' | 'breaks off' | 'comes too late';

const LATE_MS = 15_000;

export async function createFront(
  target: string,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<Front> {
  const troubles: { readonly question: RegExp; readonly trouble: Trouble; left: number }[] = [];
  const late = new Set<NodeJS.Timeout>();
  const server = (tls ? createTlsServer(tls) : createServer()).on('request', (question, reply) => {
    const { method = '', url = '', headers } = question;
    const passed = ask(`${target}${url}`, { method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const body = Buffer.concat(chunks);
        const now = troubles.find(({ question: which, left }) => left > 0 && which.test(`${method} ${url}`));
        if (now) now.left -= 1;
        if (now?.trouble === 'is lost') return void reply.destroy();
        reply.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'content-length': body.length });
        if (now?.trouble === 'breaks off') {
          reply.write(body.subarray(0, body.length / 2));
          return void setTimeout(() => reply.destroy(), 50);
        }
        if (now?.trouble !== 'comes too late') return void reply.end(body);
        const timer = setTimeout(() => {
          late.delete(timer);
          reply.end(body);
        }, LATE_MS);
        late.add(timer);
      });
    });
    passed.on('error', () => reply.destroy());
    question.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    disturb: (question, trouble, times) => void troubles.push({ question, trouble, left: times }),
    async close() {
      for (const timer of late) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
