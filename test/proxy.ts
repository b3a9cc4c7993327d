// An HTTP proxy on this machine, as companies have one: plain requests by their whole address, others through a tunnel.
import { createServer, request as send } from 'node:http';
import { connect, type AddressInfo } from 'node:net';

/** A running proxy. */
export interface Proxy {
  readonly url: string;
  /** The hosts that it was asked for. */
  readonly hosts: string[];
  close(): Promise<void>;
}

export async function httpProxy(): Promise<Proxy> {
  const hosts: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '');
    hosts.push(url.host);
    request.pipe(
      send(url, { method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  server.on('connect', (request, socket, head: Buffer) => {
    const { hostname, port } = new URL(`http://${request.url ?? ''}`);
    hosts.push(`${hostname}:${port}`);
    const target = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    for (const end of [target, socket]) end.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    hosts,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
