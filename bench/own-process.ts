// A measurement in a process of its own, which nothing has run in before.
import { spawnSync } from 'node:child_process';

/**
 * Runs a script with one argument, and reads the JSON that it prints.
 * @param environment variables besides this process's own
 * @throws {Error} with what the script says on stderr, if it fails
 */
export function inOwnProcess(
  script: string,
  argument: string,
  environment: Readonly<Record<string, string>> = {},
): unknown {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', script, argument], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (status !== 0) throw new Error(`${script} ended with ${status ?? 'a signal'}: ${stderr}`);
  return JSON.parse(stdout);
}
