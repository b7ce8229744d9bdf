import { createServer } from 'node:http';

/**
 * `gated-hub.ts ADDRESS PORT STATUS`: a Hugging Face hub that shows everybody a model's name and gives nobody its
 * files. What it says is what huggingface_hub reads a refusal from. Prints `listening`, then a line a request, without
 * the token that came with it.
 */
const [address, port, status = '403'] = process.argv.slice(2);
const WORDS: Readonly<Record<string, { readonly code: string; readonly message: string }>> = {
  '401': { code: 'GatedRepo', message: 'Access to model is restricted. You must be authenticated to access it.' },
  '403': { code: 'GatedRepo', message: 'Access to model is restricted and you are not in the authorized list.' },
  '404': { code: 'RepoNotFound', message: 'Repository not found' },
};
const { code, message } = WORDS[status] ?? { code: 'ServerError', message: 'out of order' };

createServer((request, response) => {
  console.log(`${request.method} ${request.url} ${request.headers.authorization ? 'with' : 'without'} a token`);
  response.writeHead(Number(status), {
    'content-type': 'application/json',
    'x-error-code': code,
    'x-error-message': message,
  });
  response.end(JSON.stringify({ error: message }));
}).listen(Number(port), address, () => console.log('listening'));
