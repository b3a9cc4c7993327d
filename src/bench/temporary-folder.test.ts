import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { withTemporaryFolder } from './temporary-folder.js';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('withTemporaryFolder', () => {
  it('removes the folder and what is in it, and gives the result', async () => {
    let seen = '';
    const result = await withTemporaryFolder((folder) => {
      seen = folder;
      writeFileSync(join(folder, 'profile.json'), '[]');
      return Promise.resolve(existsSync(folder));
    });
    expect([result, existsSync(seen)]).toEqual([true, false]);
  });

  it('removes it when something is thrown', async () => {
    let seen = '';
    const use = (folder: string): Promise<never> => {
      seen = folder;
      return Promise.reject(new Error('disk full'));
    };
    await expect(withTemporaryFolder(use)).rejects.toThrow('disk full');
    expect(existsSync(seen)).toBe(false);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'removes it on %s, which then ends the process as ever',
    async (signal) => {
      const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
      const listeners = process.listenerCount(signal);
      await withTemporaryFolder((folder) => {
        process.emit(signal, signal);
        expect(existsSync(folder)).toBe(false);
        expect(kill).toHaveBeenCalledWith(process.pid, signal);
        // nothing of this catches the signal a second time
        expect(process.listenerCount(signal)).toBe(listeners);
        return Promise.resolve();
      });
    },
  );
});
