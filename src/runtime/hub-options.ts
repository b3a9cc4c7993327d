// Options of a model's load that are its processor's too.

/** Where a processor comes from, as the model does. */
export function hubOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = ['revision', 'cache_dir', 'local_files_only', 'progress_callback'];
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}
