/** The process around {@link main}: its streams and its end. `bin/fastv.js` calls it. */
import { EXIT } from './failure.js';
import { main } from './main.js';

/** Runs the command line that the process was started with, and ends the process. */
export async function run(argv: readonly string[]): Promise<void> {
  watchStreams();
  const code = await main(argv);
  process.exitCode = code;
  // a command that was told to end at once leaves work behind, which would keep the process alive
  if (code > 128) process.exit(code);
}

/**
 * A reader that goes away is no failure. Without stdout there is nobody left to work for; without stderr there is, and
 * results are still written. A disk that takes no more of stdout is a failure.
 */
function watchStreams(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    const full = error.code === 'ENOSPC' ? 'the disk is full' : error.message;
    process.stderr.write(
      `error: the result cannot be written: ${full}\n  where: standard output\n  hint: Free some space, or send it elsewhere.\n`,
    );
    process.exit(EXIT.refused);
  });
}
