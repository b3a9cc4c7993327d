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

  it('of the embedded model’s weights says nothing', () => {
    expect(collect({})).toEqual(['warning: no space\n']);
  });
});
