// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as OpenAI's clients read them.

/** What a stream is written by. */
export interface Events {
  /** Sends a document. */
  data(document: object): void;
  /** Sends a document of a named event. */
  event(name: string, document: object): void;
  /** Sends the mark of the end. */
  end(): void;
}

/** What goes with a stream. */
export interface StreamOptions {
  /** Milliseconds between two comments. */
  readonly pingMs: number;
  /** Called when the reader goes away. */
  readonly onGone: () => void;
  /** Called when it is over, however it ended. */
  readonly onDone: (error?: unknown) => void;
}

/**
 * An answer that is a stream. Comments are sent while nothing else is, so that nobody on the way takes it for dead.
 * @param write writes the stream; what it throws has been sent as an event
 */
export function eventStream(
  { pingMs, onGone, onDone }: StreamOptions,
  write: (events: Events) => Promise<void>,
): Response {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  let open = true;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string): void => {
        if (open) controller.enqueue(encoder.encode(text));
        timer?.refresh();
      };
      timer = setInterval(() => {
        send(': ping\n\n');
      }, pingMs);
      send(': ping\n\n');
      void write({
        data: (document) => {
          send(`data: ${JSON.stringify(document)}\n\n`);
        },
        event: (name, document) => {
          send(`event: ${name}\ndata: ${JSON.stringify(document)}\n\n`);
        },
        end: () => {
          send('data: [DONE]\n\n');
        },
      })
        .then(
          () => undefined,
          (error: unknown) => error,
        )
        .then((error) => {
          clearInterval(timer);
          if (open) controller.close();
          open = false;
          onDone(error);
        });
    },
    cancel() {
      open = false;
      onGone();
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // nginx would hold events back
      'x-accel-buffering': 'no',
    },
  });
}
