// The browser of the tests that need one, and a host that serves it files.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname, join, normalize } from 'node:path';

/** Where a Chromium is; undefined: there is none, and the tests are skipped. */
export const CHROMIUM = [
  process.env['CHROMIUM_PATH'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));
if (CHROMIUM === undefined) console.warn('tests in a browser skipped: no Chromium (set CHROMIUM_PATH)');

/** What gives it WebGPU without a GPU: software Vulkan. */
export const SOFTWARE_WEBGPU: readonly string[] = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
];

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html'],
  ['.css', 'text/css'],
  ['.js', 'text/javascript'],
  ['.mjs', 'text/javascript'],
  ['.wasm', 'application/wasm'],
  ['.json', 'application/json'],
  ['.png', 'image/png'],
]);

/**
 * A static host on a port of this machine, which sets no headers of its own.
 * @param roots folders by the addresses under which they are served
 * @param pages bytes or text by their addresses
 */
export async function staticHost(
  roots: Readonly<Record<string, string>>,
  pages: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<{ server: Server; address: string }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = pathname === '/' ? '/index.html' : pathname;
    const send = (body: string | Uint8Array): void => {
      const type = TYPES.get(extname(path)) ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
    };
    const missing = (): void => void response.writeHead(404).end();
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page !== undefined) {
      send(page);
      return;
    }
    const [prefix, root] = Object.entries(roots).find(([start]) => path.startsWith(start)) ?? [];
    const file = root === undefined ? '' : normalize(join(root, path.slice((prefix ?? '').length)));
    if (root === undefined || !file.startsWith(root)) missing();
    else readFile(file).then(send, missing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no address');
  return { server, address: `http://127.0.0.1:${bound.port}/` };
}
