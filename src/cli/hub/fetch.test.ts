import { afterEach, expect, it, vi } from 'vitest';
import { hubFetch } from './fetch.js';

vi.mock('undici', () => {
  throw new Error("Cannot find package 'undici'");
});
afterEach(() => {
  vi.unstubAllEnvs();
});

it('says what to install where a proxy is named and nothing goes through it', async () => {
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']) vi.stubEnv(name, '');
  vi.stubEnv('HTTPS_PROXY', 'http://proxy.example:3128');
  const get = hubFetch({ endpoint: 'https://hub.example', offline: false });
  await expect(get('https://hub.example/api')).rejects.toMatchObject({
    code: 'io',
    where: 'HTTPS_PROXY',
    hint: expect.stringContaining('npm i undici') as string,
  });
});
