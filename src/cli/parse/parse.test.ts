import { describe, expect, it } from 'vitest';
import { listOf, names } from './list.js';
import { wholeNumber } from './number.js';
import { oneOf } from './one-of.js';
import { readShare, share } from './share.js';
import { collectStage, stagesOf } from './stage.js';

/** What a parser says when it refuses a value. */
function refusal(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    return error;
  }
}

describe('wholeNumber', () => {
  it('takes digits', () => {
    expect(['0', '7', '0012'].map(wholeNumber('--limit'))).toEqual([0, 7, 12]);
  });

  it.each(['', ' 1', '-1', '+1', '1.0', '1e3', '0x1', '1_000', 'one', '9'.repeat(16)])(
    'refuses %j',
    (value) => {
      expect(refusal(() => wholeNumber('--limit')(value))).toMatchObject({
        code: 'invalid-option',
        where: '--limit',
        message: `${JSON.stringify(value)} is no whole number, 0 or more`,
      });
    },
  );

  it('says the least that makes sense', () => {
    expect(refusal(() => wholeNumber('--count', 1)('0'))).toMatchObject({
      message: '"0" is no whole number, 1 or more',
    });
  });
});

describe('share', () => {
  it('takes numbers and percentages', () => {
    expect(['0', '1', '0.5', '.5', '50%', '50 %', '12.5%', '100%'].map(share('--ratio'))).toEqual([
      0, 1, 0.5, 0.5, 0.5, 0.5, 0.125, 1,
    ]);
  });

  it.each(['', ' ', '%', '0x1', '1e-1', '-0.5', '1.5', '150%', 'half', '0,5', 'Infinity', 'NaN'])(
    'refuses %j',
    (value) => {
      expect(refusal(() => share('--ratio')(value))).toMatchObject({
        code: 'invalid-option',
        where: '--ratio',
        message: `${JSON.stringify(value)} is no share from 0 to 1`,
      });
    },
  );

  it('is read without its range where something else checks that', () => {
    expect([readShare('7'), readShare('50%'), readShare('0x1')]).toEqual([7, 0.5, undefined]);
  });
});

describe('lists', () => {
  it('takes values with commas between, each once', () => {
    expect(names('--tasks')(' gqa, pope ,gqa')).toEqual(['gqa', 'pope']);
    expect(listOf('--ratios', 'shares', share('--ratios'))('0.5,50%,75%')).toEqual([0.5, 0.75]);
  });

  it.each(['', ',', 'a,', 'a,,b'])('refuses %j', (value) => {
    expect(refusal(() => names('--tasks')(value))).toMatchObject({
      code: 'invalid-option',
      where: '--tasks',
      message: 'names with commas between are needed',
    });
  });
});

it('takes one of several words, and lists them', () => {
  const parse = oneOf('--dtype', 'dtype', ['fp32', 'q4']);
  expect(parse('q4')).toBe('q4');
  expect(refusal(() => parse('q9'))).toMatchObject({
    message: '"q9" is no dtype',
    where: '--dtype',
    hint: 'one of fp32, q4',
  });
});

describe('stages', () => {
  it('takes K:R, one after the other', () => {
    expect(collectStage('8:50%', collectStage('2:0.25'))).toEqual([
      { layer: 2, ratio: 0.25 },
      { layer: 8, ratio: 0.5 },
    ]);
  });

  it.each(['2', '2:0.5:1', ':', 'x:0.5', '2:x'])('refuses %j', (value) => {
    expect(refusal(() => collectStage(value))).toMatchObject({ code: 'invalid-option', where: '--stage' });
  });

  it('are of --layer and --ratio, or of --stage, never of both', () => {
    const stage = [
      { layer: 8, ratio: 0.5 },
      { layer: 2, ratio: 0.5 },
    ];
    expect(stagesOf({ layer: 2, ratio: 0.5 })).toEqual([{ layer: 2, ratio: 0.5 }]);
    expect(stagesOf({ stage }).map(({ layer }) => layer)).toEqual([2, 8]);
    expect(refusal(() => stagesOf({ layer: 2, stage }))).toMatchObject({ where: '--stage' });
    expect(refusal(() => stagesOf({ layer: 2 }))).toMatchObject({ where: '--ratio' });
  });
});
