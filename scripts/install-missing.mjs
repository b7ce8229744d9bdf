// Plain JavaScript for Node.js >= 20: runs before anything is installed, with whatever Node.js the machine has.
// Installs once, when node_modules is missing or older than package-lock.json. The scripts of package.json then
// run with the Node.js found in node_modules/.bin.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const lock = path.join(root, 'package-lock.json');
// npm writes it last, so an install that was broken off does not look finished.
const installed = path.join(root, 'node_modules', '.package-lock.json');

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) install();

function install() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) stop(`Node.js 20 or later is needed to install; this is ${process.version}.`);
  process.stderr.write('Installing dependencies (once, about half a minute) ...\n');
  // Versions are those of the lock file. `npm ci` would also insist on the optional packages of every other platform,
  // which not every registry carries. A production environment would leave out the Node.js this project brings along.
  const { status, error, stdout, stderr } = spawnSync(
    'npm',
    ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, encoding: 'utf8', timeout: 600_000, maxBuffer: 16 * 1024 * 1024 },
  );
  if (status !== 0) stop(`npm install failed:\n${[error?.message, stderr, stdout].filter(Boolean).join('\n')}`);
}

/** @param {string} message */
function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
