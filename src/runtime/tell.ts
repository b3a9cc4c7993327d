// What goes wrong is said. Listeners are the caller's code in the middle of ours: what goes wrong in them ends nothing.

/**
 * A listener that cannot fail: what it throws, at once or later, goes to `failed`.
 * @param listener may give a promise
 */
export function guarded<A extends readonly unknown[]>(
  listener: ((...args: A) => unknown) | undefined,
  failed: (error: unknown) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      const result = listener?.(...args);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}

/**
 * Whatever was thrown, in one line. Of ONNX Runtime's messages what they say: `Non-zero status code returned while running
 * X node. … Status Message: …` is the operator and the message, a C++ file with a signature before it is left out, and so
 * is the path of the model, which is said besides.
 */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [, operator, status] = /while running (\w+) node\b.*?Status Message: ([^]*)/u.exec(text) ?? [];
  const said = operator === undefined || status === undefined ? text : `${operator}: ${status}`;
  const line = said
    .trim()
    .replace(/^Load model from .*? failed:\s*/u, '')
    .split('\n')[0];
  return (line ?? '').replace(/\S+\.(?:cc|cpp|h):\d+ .*?\)(?:::<lambda\(\)>)? /u, '').slice(0, 500);
}
