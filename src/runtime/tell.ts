// Listeners are the caller's code in the middle of ours: what goes wrong in them is said, and ends nothing.

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

/** The first line of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]?.trim() ?? '';
}
