import { createServer } from 'node:net';

/** `take-ports.ts LOW HIGH`: listens on all of them, answers nobody, and says `listening` when it does. */
const [low = 0, high = 0] = process.argv.slice(2).map(Number);
const listening = Array.from({ length: high - low + 1 }, (_, i) => {
  return new Promise<void>((resolve, reject) => {
    createServer((socket) => socket.on('error', () => socket.destroy()))
      .on('error', reject)
      .listen(low + i, '0.0.0.0', resolve);
  });
});
await Promise.all(listening);
console.log('listening');
