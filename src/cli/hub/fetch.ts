/** Requests to the hub: through a proxy where the environment names one, with a token where there is one, and one error a failure. */
import { EnvHttpProxyAgent, fetch as proxied } from 'undici';
import { FastvError } from '../../errors.js';
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

/** What sends requests through the proxies of the environment; undefined where there are none. */
function proxies(): EnvHttpProxyAgent | undefined {
  const [httpProxy, httpsProxy] = [variable('HTTP_PROXY'), variable('HTTPS_PROXY')];
  if (httpProxy === undefined && httpsProxy === undefined) return undefined;
  const noProxy = variable('NO_PROXY') ?? '';
  const emitWarning = process.emitWarning.bind(process);
  // undici 6 warns that its interface may change, which is for us to know and not for whoever has a proxy
  process.emitWarning = () => undefined;
  try {
    return new EnvHttpProxyAgent({ httpProxy: httpProxy ?? '', httpsProxy: httpsProxy ?? '', noProxy });
  } finally {
    process.emitWarning = emitWarning;
  }
}

/**
 * A fetch for one hub. Only requests to the hub itself carry the token; where they are redirected to, another host's
 * servers, it is dropped.
 * @throws {FastvError} `io` if nobody answers
 */
export function hubFetch({ endpoint, token }: HubSettings): HubFetch {
  const dispatcher = proxies();
  return async (url, { headers = {}, signal } = {}) => {
    const own = token !== undefined && new URL(url).origin === new URL(endpoint).origin;
    const init = {
      headers: { 'user-agent': 'fastv', ...headers, ...(own ? { authorization: `Bearer ${token}` } : {}) },
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      return dispatcher === undefined
        ? await fetch(url, init)
        : ((await proxied(url, { ...init, dispatcher })) as unknown as Response);
    } catch (cause) {
      signal?.throwIfAborted();
      throw unreachable(url, cause);
    }
  };
}

/** Times that a cut connection is taken up again. */
export const ATTEMPTS = 5;

/** Whether an error is that of {@link unreachable} for an answer that was cut off. */
export function isCut(error: unknown): boolean {
  return error instanceof FastvError && error.message.endsWith(' was cut');
}

/** Nobody answered, or the answer was cut off. */
export function unreachable(url: string, cause: unknown): FastvError {
  const { host } = new URL(url);
  const code = codeOf(cause);
  const reasons: Readonly<Record<string, string>> = {
    ENOTFOUND: `there is no host ${host}, or no network`,
    EAI_AGAIN: `there is no host ${host}, or no network`,
    ENETUNREACH: 'there is no network',
    ECONNREFUSED: `nobody listens at ${host}`,
    ETIMEDOUT: `${host} does not answer`,
    UND_ERR_CONNECT_TIMEOUT: `${host} does not answer`,
    UND_ERR_HEADERS_TIMEOUT: `${host} does not answer`,
  };
  const cut = `the connection to ${host} was cut`;
  const reason =
    reasons[code] ??
    (code.startsWith('UND_ERR') || code === 'ECONNRESET' || code === 'EPIPE'
      ? cut
      : `${host} cannot be reached (${code === '' ? 'no reason given' : code})`);
  return new FastvError('io', reason, {
    where: url,
    hint: 'Check the network, HF_ENDPOINT and HTTPS_PROXY; the same command goes on where it was.',
    cause,
  });
}

/** The system's code, which undici hides one or two causes deep. */
function codeOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return error instanceof TypeError && error.message === 'terminated' ? 'UND_ERR_SOCKET' : '';
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
