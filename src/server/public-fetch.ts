// Pictures from the web for strangers: only from public addresses. A name is looked up once, and the connection goes to
// the address that was checked, so that a name cannot mean another one a moment later (DNS rebinding). Redirects are
// followed by hand, each checked like the first. `new URL` writes 2130706433, 0177.1 and 0x7f000001 as 127.0.0.1.
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, fetch } from 'undici';
import { badRequest } from './api-error.js';

/** Redirects that are followed. */
const REDIRECTS = 5;

type Lookup = (
  host: string,
  options: { readonly all: true },
  // Node's own gives no addresses where it gives an error, whatever its type says
  done: (error: NodeJS.ErrnoException | null, addresses?: LookupAddress[]) => void,
) => void;

/** How pictures are fetched; the defaults are meant for everything but tests. */
export interface FetchOptions {
  readonly lookup?: Lookup;
  readonly allowed?: (address: string) => boolean;
}

/** The host of Azure's machines, which answers them alone. */
const AZURE = '168.63.129.16';

/** Whether an address is one of the public internet; one that stands for another (mapped, 6to4, NAT64) is none. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text) || text === AZURE) return false;
  const address = ipaddr.parse(text);
  // of the sixth version all that is public is 2000::/3; what is left is called unicast too
  const [first = 0] = address.toByteArray();
  return address.range() === 'unicast' && (address.kind() === 'ipv4' || first >>> 5 === 1);
}

/** Fetches from public addresses. */
export class PublicFetch {
  readonly #agent: Agent;
  readonly #allowed: (address: string) => boolean;

  constructor({ lookup = systemLookup, allowed = isPublicAddress }: FetchOptions = {}) {
    this.#allowed = allowed;
    this.#agent = new Agent({
      connect: {
        lookup: (host, { all = false }, done) => {
          lookup(host, { all: true }, (error, addresses = []) => {
            const refused = addresses.length === 0 || addresses.some(({ address }) => !allowed(address));
            const [first = { address: '', family: 0 }] = addresses;
            if (error !== null || refused) done(error ?? new AddressRefused(), '', 0);
            else if (all) done(null, addresses);
            else done(null, first.address, first.family);
          });
        },
      },
      maxRedirections: 0,
    });
  }

  /**
   * The bytes at a URL.
   * @param most the bytes that there may be
   * @throws {ApiError} 400, in the same words for every address that is refused or answers nothing
   */
  async bytes(url: string, most: number, signal: AbortSignal, param: string): Promise<Uint8Array> {
    let next = url;
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const target = this.#checked(next, param);
      const response = await fetch(target, { dispatcher: this.#agent, redirect: 'manual', signal }).catch(
        (cause: unknown) => {
          signal.throwIfAborted();
          throw badRequest(refusedReason(cause), param);
        },
      );
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        if (!URL.canParse(location, target)) throw badRequest('the URL redirects to nowhere', param);
        next = new URL(location, target).href;
        continue;
      }
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        throw badRequest(`the picture cannot be fetched: the server answers ${response.status}`, param);
      }
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        size += chunk.length;
        if (size > most) throw badRequest(`the picture has more than ${most} bytes`, param);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    }
    throw badRequest(`the URL redirects more than ${REDIRECTS} times`, param);
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  #checked(text: string, param: string): URL {
    if (!URL.canParse(text)) throw badRequest('this is no URL', param);
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw badRequest('only http and https URLs are fetched', param);
    if (url.username !== '' || url.password !== '')
      throw badRequest('a URL with a name and a password is not fetched', param);
    // a connection to an address asks nobody for it
    const host = url.hostname.replace(/^\[|\]$/gu, '');
    if (isIP(host) !== 0 && !this.#allowed(host)) throw badRequest(NOT_PUBLIC, param);
    return url;
  }
}

const NOT_PUBLIC = 'the picture cannot be fetched: its address is not public';

class AddressRefused extends Error {}

function refusedReason(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AddressRefused) return NOT_PUBLIC;
  }
  return 'the picture cannot be fetched';
}
