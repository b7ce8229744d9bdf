/** What the compiler leaves undone: files that are no TypeScript are copied, and `dist/main.js` becomes a program. */
import { chmodSync, cpSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SHEBANG = '#!/usr/bin/env node\n';
const src = fileURLToPath(new URL('../src', import.meta.url));
const dist = fileURLToPath(new URL('../dist', import.meta.url));

for (const file of globSync('**/*', { cwd: src })) {
  const from = path.join(src, file);
  if (!file.endsWith('.ts') && statSync(from).isFile()) cpSync(from, path.join(dist, file));
}

const main = path.join(dist, 'main.js');
const text = readFileSync(main, 'utf8');
if (!text.startsWith('#!')) writeFileSync(main, SHEBANG + text);
chmodSync(main, 0o755);
