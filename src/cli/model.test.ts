import { describe, expect, it } from 'vitest';
import { warningsOn } from './model.js';

describe('warningsOn', () => {
  const collect = (flags: { readonly model?: string }): string[] => {
    const written: string[] = [];
    const warn = warningsOn({ write: (text) => written.push(text) }, flags);
    warn('slow', 'slow-weights');
    warn('slow', 'slow-weights');
    warn('no space', 'not-cached');
    return written;
  };

  it('says each thing once', () => {
    expect(collect({ model: 'some/model' })).toEqual(['warning: slow\n', 'warning: no space\n']);
  });

  it('writes the escapes out that a name in it has', () => {
    const written: string[] = [];
    warningsOn({ write: (text) => written.push(text) }, { model: 'm' })('\u001b[2J', 'not-cached');
    expect(written).toEqual(['warning: \\x1b[2J\n']);
  });

  it('of the embedded model’s weights says nothing', () => {
    expect(collect({})).toEqual(['warning: no space\n']);
  });
});
