/** Requests to the hub: through a proxy where the environment names one, with a token where there is one, and one error a failure. */
import type * as Undici from 'undici';
import { FastvError } from '../../errors.js';
import { isCut, systemCode } from '../../files/http.js';
import { once } from '../../once.js';
import type { HubSettings } from './settings.js';

/** Fetches; a status that is no success is the caller's to judge, with {@link refusal}. */
export type HubFetch = (
  url: string,
  init?: { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
) => Promise<Response>;

/** A variable in either spelling; an empty one says nothing. */
function variable(name: string): string | undefined {
  return [process.env[name.toLowerCase()], process.env[name]].find((value) => (value ?? '') !== '');
}

/** The proxy that a variable names, which may be a host alone, as curl takes it. */
function proxyOf(name: string): string | undefined {
  const value = variable(name);
  if (value === undefined) return undefined;
  const url = /^[a-z][a-z0-9+.-]*:\/\//iu.test(value) ? value : `http://${value}`;
  return httpAddress(url, name, 'http://proxy.example:3128');
}

/** @throws {FastvError} `invalid-option` for what is no address of HTTP */
function httpAddress(url: string, name: string, example: string): string {
  if (URL.canParse(url) && /^https?:$/u.test(new URL(url).protocol)) return url;
  throw new FastvError('invalid-option', `this is no address: ${url.slice(0, 100)}`, {
    where: name,
    hint: `write ${example}, or unset it`,
  });
}

/**
 * What sends requests through the proxies of the environment; undefined where there are none.
 * @throws {FastvError} `io` if the package that does is not installed: most have no proxy, and it has 1.7 MB
 */
async function throughProxies(): Promise<HubRequest | undefined> {
  const [httpProxy, httpsProxy] = [proxyOf('HTTP_PROXY'), proxyOf('HTTPS_PROXY')];
  if (httpProxy === undefined && httpsProxy === undefined) return undefined;
  let undici: typeof Undici;
  try {
    undici = await import('undici');
  } catch (cause) {
    throw new FastvError('io', 'a proxy is named, and the package that goes through it is not installed', {
      where: httpsProxy === undefined ? 'HTTP_PROXY' : 'HTTPS_PROXY',
      hint: 'npm i undici; or unset the variable.',
      cause,
    });
  }
  const noProxy = variable('NO_PROXY') ?? '';
  const emitWarning = process.emitWarning.bind(process);
  // undici 6 warns that its interface may change, which is for us to know and not for whoever has a proxy
  process.emitWarning = () => undefined;
  try {
    const { EnvHttpProxyAgent, fetch } = undici;
    const dispatcher = new EnvHttpProxyAgent({
      httpProxy: httpProxy ?? '',
      httpsProxy: httpsProxy ?? '',
      noProxy,
    });
    return async (url, init) => (await fetch(url, { ...init, dispatcher })) as unknown as Response;
  } finally {
    process.emitWarning = emitWarning;
  }
}

type HubRequest = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly signal?: AbortSignal },
) => Promise<Response>;

/**
 * A fetch for one hub. Only requests to the hub itself carry the token; where they are redirected to, another host's
 * servers, it is dropped.
 * @throws {FastvError} `io` if nobody answers
 */
export function hubFetch({ endpoint, token }: HubSettings): HubFetch {
  // the environment may be wrong as long as nothing is fetched
  const checked = once(async () => ({
    proxied: await throughProxies(),
    origin: new URL(httpAddress(endpoint, 'HF_ENDPOINT', 'https://huggingface.co')).origin,
  }));
  return async (url, { headers = {}, signal } = {}) => {
    const { proxied, origin } = await checked();
    const own = token !== undefined && new URL(url).origin === origin;
    const init = {
      headers: { 'user-agent': 'fastv', ...headers, ...(own ? { authorization: `Bearer ${token}` } : {}) },
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      return await (proxied ?? fetch)(url, init);
    } catch (cause) {
      // whoever gave up says why himself; time that was up is a server that does not answer
      if (signal?.aborted === true && systemCode(cause) !== 'UND_ERR_BODY_TIMEOUT') throw cause;
      throw unreachable(url, cause, proxied !== undefined);
    }
  };
}

/**
 * Nobody answered, or the answer was cut off.
 * @param proxied whether it may be the proxy that does not answer
 */
export function unreachable(url: string, cause: unknown, proxied = false): FastvError {
  const host = `${new URL(url).host}${proxied ? ', or at its proxy' : ''}`;
  const code = systemCode(cause);
  const reasons: Readonly<Record<string, string>> = {
    ENOTFOUND: `there is no host ${host}, or no network`,
    EAI_AGAIN: `there is no host ${host}, or no network`,
    ENETUNREACH: 'there is no network',
    ECONNREFUSED: `nobody listens at ${host}`,
    ETIMEDOUT: `${host} does not answer`,
    UND_ERR_CONNECT_TIMEOUT: `${host} does not answer`,
    UND_ERR_HEADERS_TIMEOUT: `${host} does not answer`,
    UND_ERR_BODY_TIMEOUT: `${host} does not answer`,
  };
  const cut = `the connection to ${host} was cut`;
  const reason =
    reasons[code] ??
    (isCut(cause) ? cut : `${host} cannot be reached (${code === '' ? reasonOf(cause) : code})`);
  return new FastvError('io', reason, {
    where: url,
    hint: 'Check the network, HF_ENDPOINT and HTTPS_PROXY; the same command goes on where it was.',
    cause,
  });
}

/** What fetch says where the system has no code: `bad port`, say, behind `fetch failed`. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return inner instanceof Error ? inner.message : 'no reason given';
}

/** What a request was about. */
export interface Asked {
  readonly kind: 'model' | 'dataset';
  readonly name: string;
}

/** What a status other than success means, and what to do about it. */
export function refusal(
  response: Response,
  { kind, name }: Asked,
  { endpoint, token }: HubSettings,
): FastvError {
  const { status } = response;
  const page = `${endpoint}/${kind === 'model' ? '' : 'datasets/'}${name}`;
  const code = response.headers.get('x-error-code') ?? '';
  const say = (message: string, hint: string): FastvError =>
    new FastvError('io', message, { where: name, hint });
  if (code === 'GatedRepo' || status === 403) {
    return say(
      `the ${kind} is gated: its terms must be accepted (${status})`,
      `Accept them at ${page}, and set HF_TOKEN to a token of that account.`,
    );
  }
  if (status === 401) {
    return say(
      `there is no such ${kind}, or it is private or gated (401)`,
      token === undefined
        ? `See ${page}; for a private or gated ${kind} set HF_TOKEN.`
        : `See ${page}: this HF_TOKEN may not read it.`,
    );
  }
  if (status === 404) return say(`there is no such ${kind} or file (404)`, `See ${page}; check the name.`);
  if (status === 429) {
    const wait = response.headers.get('retry-after');
    return say(
      'the hub refuses so many requests (429)',
      `Wait ${wait === null ? 'a while' : `${wait} s`}; with HF_TOKEN more are allowed.`,
    );
  }
  if (status >= 500) return say(`the hub is failing (${status})`, 'Try again later; it is not this machine.');
  return say(`the hub answers ${status}`, `See ${page}.`);
}
