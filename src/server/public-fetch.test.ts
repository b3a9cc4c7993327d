// Whatever a URL is written like, wherever it redirects to, and whatever its name means a moment later: nothing but the
// public internet is connected to.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPublicAddress, PublicFetch } from './public-fetch.js';

const NEVER = new AbortController().signal;
let server: Server;
let port = 0;
let requests = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    requests++;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    if (pathname === '/to') response.writeHead(302, { location: searchParams.get('url') ?? '' }).end();
    else if (pathname === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (pathname === '/large') response.end('x'.repeat(1000));
    else if (pathname === '/absent') response.writeHead(404).end('no');
    else response.end('a picture');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
});

/** A fetcher for which the test's server is public, and nothing else is. */
function fetcher(names: Readonly<Record<string, readonly string[]>> = {}): PublicFetch {
  const asked = new Map<string, number>();
  return new PublicFetch({
    allowed: (address) => address === '127.0.0.1',
    lookup: (host, _, done) => {
      const answers = names[host] ?? [];
      const turn = asked.get(host) ?? 0;
      asked.set(host, turn + 1);
      const address = answers[Math.min(turn, answers.length - 1)];
      const found: LookupAddress[] =
        address === undefined ? [] : [{ address, family: address.includes(':') ? 6 : 4 }];
      done(null, found);
    },
  });
}

const bytes = async (web: PublicFetch, url: string, most = 500): Promise<string> =>
  new TextDecoder().decode(await web.bytes(url, most, NEVER, 'url'));

describe('a public address', () => {
  it.each([
    ...['127.0.0.1', '127.8.9.1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1'],
    ...['0.0.0.0', '224.0.0.1', '255.255.255.255', '198.18.0.1', '192.0.2.1', '240.0.0.1'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8'],
    ...['64:ff9b::7f00:1', '2002:7f00:1::', '2001:db8::1', '', 'localhost'],
    ...['::127.0.0.1', '::7f00:1', '4000::1', '168.63.129.16'],
  ])('is not %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['8.8.8.8', '93.184.216.34', '2606:4700:4700::1111'])('is %s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe('PublicFetch', () => {
  it('refuses every way of writing a private address, before it connects', async () => {
    const web = new PublicFetch();
    const before = requests;
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0177.0.0.1',
      '0x7f.1',
      '127.1',
      '0x7f000001',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '0',
    ];
    for (const host of [...hosts, '169.254.169.254', '[fe80::1]', '10.1.2.3'])
      await expect(bytes(web, `http://${host}:${port}/`), host).rejects.toMatchObject({
        status: 400,
        message: /not public/u,
      });
    // by a name that means this machine everywhere
    await expect(bytes(web, `http://localhost:${port}/`)).rejects.toMatchObject({
      status: 400,
      message: /not public/u,
    });
    expect(requests).toBe(before);
    await web.close();
  });

  it('fetches from an address that is public', async () => {
    const web = fetcher({ 'pictures.example': ['127.0.0.1'] });
    expect(await bytes(web, `http://pictures.example:${port}/a.png`)).toBe('a picture');
    expect(await bytes(web, `http://pictures.example:${port}/to?url=/b.png`)).toBe('a picture');
    await web.close();
  });

  it('checks redirects like the first URL', async () => {
    const web = fetcher({ 'pictures.example': ['127.0.0.1'], 'inside.example': ['10.0.0.1'] });
    for (const to of [
      `http://127.0.0.2:${port}/`,
      `http://inside.example/`,
      'http://2130706434/',
      'file:///etc/hostname',
      'ftp://x/',
    ]) {
      const url = `http://pictures.example:${port}/to?url=${encodeURIComponent(to)}`;
      await expect(bytes(web, url), to).rejects.toMatchObject({ status: 400 });
    }
    await expect(bytes(web, `http://pictures.example:${port}/loop`)).rejects.toThrow(
      /redirects more than 5 times/u,
    );
    await web.close();
  });

  it('connects to the address that it checked, though the name means another one by then', async () => {
    const web = fetcher({
      'moves.example': ['127.0.0.1', '10.0.0.1'],
      'private.example': ['10.0.0.1', '127.0.0.1'],
    });
    // one lookup for check and connection
    expect(await bytes(web, `http://moves.example:${port}/`)).toBe('a picture');
    await expect(bytes(web, `http://private.example:${port}/`)).rejects.toMatchObject({
      message: /not public/u,
    });
    await web.close();
  });

  it('refuses other schemes, passwords, what is too large, and what is not there', async () => {
    const web = fetcher({ 'pictures.example': ['127.0.0.1'] });
    const at = `http://pictures.example:${port}`;
    await expect(bytes(web, 'gopher://pictures.example/')).rejects.toThrow(/only http and https/u);
    await expect(bytes(web, `http://name:secret@pictures.example:${port}/`)).rejects.toThrow(/password/u);
    await expect(bytes(web, `${at}/large`)).rejects.toThrow(/more than 500 bytes/u);
    await expect(bytes(web, `${at}/absent`)).rejects.toThrow(/answers 404/u);
    await expect(bytes(web, 'http://nowhere.example/')).rejects.toMatchObject({ status: 400 });
    await web.close();
  });
});

it('says so of a name that there is not, as the system tells it', async () => {
  const web = new PublicFetch({
    lookup: (_host, _options, done) => {
      done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
    },
  });
  await expect(bytes(web, 'http://nowhere.invalid/')).rejects.toMatchObject({ status: 400 });
  await web.close();
});
