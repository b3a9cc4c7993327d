import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Summary } from '../../eval/summary.js';
import { EXIT, main } from '../main.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-cli-eval-'));

// some ask the bundled model a hundred questions, which takes a busy machine minutes
vi.setConfig({ testTimeout: 300_000 });

afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs a command line; what it prints comes back. */
async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  vi.spyOn(console, 'log').mockImplementation((text: string) => void (out += `${text}\n`));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
  const code = await main(argv);
  vi.restoreAllMocks();
  return { code, out, err };
}

describe('fastv eval', () => {
  it('scores the embedded model, with and without pruning, and goes on from what is there', async () => {
    const out = join(root, 'eval');
    const command = [
      'eval',
      '--tasks',
      'scenes-color,scenes-existence',
      '--limit',
      '2',
      '--layer',
      '4',
      '--out',
      out,
    ];
    const first = await run(...command);
    expect(first).toMatchObject({ code: EXIT.ok });
    expect(first.out).toMatch(/scenes-color +unpruned +accuracy/);
    expect(first.out).toMatch(/scenes-existence +K4-R50-attention/);
    const lines = readFileSync(join(out, 'results.jsonl'), 'utf8');
    expect(lines.trim().split('\n')).toHaveLength(8);
    const again = await run(...command, '--json');
    const summary = JSON.parse(again.out) as Summary;
    expect(summary).toMatchObject({
      complete: true,
      model: 'scenes-llava (embedded)',
      options: { dtype: 'fp32', limit: 2 },
    });
    expect(summary.cells).toHaveLength(4);
    expect(readFileSync(join(out, 'results.jsonl'), 'utf8')).toBe(lines);
  });

  it('takes a task of the user, and scores choices by likelihood', async () => {
    const file = join(root, 'yes-no.json');
    writeFileSync(
      file,
      JSON.stringify({
        name: 'yes-no',
        data: { kind: 'scenes', split: 'validation', family: 'existence' },
        images: { fields: ['image'] },
        prompt: ['{question}'],
        answer: { field: 'answer' },
        metric: 'pope',
        maxTokens: 4,
      }),
    );
    const { code, out } = await run(
      'eval',
      '--task-file',
      file,
      '--limit',
      '3',
      '--ratio',
      '0',
      '--out',
      join(root, 'own'),
    );
    expect(code).toBe(EXIT.ok);
    expect(out).toMatch(/yes-no +unpruned +F1/);
    expect(out).not.toMatch(/attention/);
  });

  it.each(['eval', 'sweep'])(
    '%s: a task that gives no number is an error, after what there is',
    async (name) => {
      const data = join(root, 'datasets');
      mkdirSync(join(data, 'test/none'), { recursive: true });
      writeFileSync(join(data, 'test/none/test.jsonl'), '');
      const file = join(root, 'none.json');
      writeFileSync(
        file,
        JSON.stringify({
          name: 'none',
          data: { kind: 'repository', repository: 'test/none', split: 'test' },
          images: { fields: ['image'] },
          prompt: ['{question}'],
          answer: { field: 'answer' },
          metric: 'exact-match',
          maxTokens: 4,
        }),
      );
      const flags = ['--model', 'simulated:0', '--task-file', file, '--tasks', 'scenes-color,none'];
      const out = join(root, `none-${name}`);
      const result = await run(name, ...flags, '--limit', '2', '--data', data, '--out', out);
      expect(result.err).toMatch(/a task has no result that can be scored.*none under unpruned/su);
      expect(result.code).toBe(EXIT.refused);
      // all else is printed, and on the disk
      expect(result.out).toMatch(/unpruned/);
      const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
      expect(summary.cells.find(({ task }) => task === 'scenes-color')?.samples).toBe(2);
    },
  );

  it.each([
    [['--tasks', 'nothing'], EXIT.usage, /no task is named "nothing"/],
    [['--tasks', 'scenes'], EXIT.usage, /a limit is needed/],
    [['--tasks', ''], EXIT.usage, /names with commas/],
    [[], EXIT.usage, /no task to run/],
    [['--tasks', 'gqa', '--limit', '1'], EXIT.refused, /network is not allowed/],
    [['--tasks', 'scenes-size', '--limit', '1', '--layer', '99'], EXIT.usage, /99/],
    [
      ['--tasks', 'scenes-size', '--limit', '1', '--model', '/absent/model'],
      EXIT.refused,
      /cannot be loaded/,
    ],
    [['--task-file', '/absent/task.json'], EXIT.refused, /absent/],
  ] as [string[], number, RegExp][])('refuses %j', async (flags, code, message) => {
    const result = await run('eval', '--out', join(root, 'refused'), ...flags);
    expect(result.err).toMatch(message);
    expect(result.err).not.toMatch(/at .*\.ts:/);
    expect(result.code).toBe(code);
  });
});

describe('fastv sweep and fastv report', () => {
  it('runs a grid with its baselines and reports on it', async () => {
    const out = join(root, 'sweep');
    const { code, out: table } = await run(
      ...[
        'sweep',
        '--tasks',
        'scenes-color',
        '--limit',
        '2',
        '--layers',
        '2,4',
        '--ratios',
        '0.5',
        '--out',
        out,
      ],
    );
    expect(code).toBe(EXIT.ok);
    // unpruned; at two K attention, random over its seeds and grid; one scaled-down
    expect(table.trim().split('\n')).toHaveLength(1 + 1 + 2 * 3 + 1);
    expect(table).toMatch(/\* /);
    const report = await run('report', out, '--json');
    expect(report.code).toBe(EXIT.ok);
    const { written } = JSON.parse(report.out) as { written: string[] };
    expect(written[0]).toBe(join(out, 'report.html'));
    for (const path of written) expect(existsSync(path)).toBe(true);
  });

  it.each([
    [['sweep', '--tasks', 'scenes-size', '--limit', '1', '--seeds', '1,2'], EXIT.usage, /at least 3 seeds/],
    [['sweep', '--recipe', 'none'], EXIT.usage, /paper-kr/],
    [['sweep', '--tasks', 'scenes-size', '--limit', '1', '--ratios', '2'], EXIT.usage, /between 0 and 1/],
  ] as [string[], number, RegExp][])('refuses %j', async (argv, code, message) => {
    const result = await run(...argv, '--out', join(root, 'refused'));
    expect(result.err).toMatch(message);
    expect(result.code).toBe(code);
  });

  it('reports on runs only', async () => {
    expect(await run('report', root)).toMatchObject({ code: EXIT.refused });
  });
});

describe('fastv analyze', () => {
  it('says where attention goes, and draws it', async () => {
    const out = join(root, 'analyze');
    const { code, out: table } = await run(
      'analyze',
      '--tasks',
      'scenes-color',
      '--limit',
      '2',
      '--out',
      out,
    );
    expect(code).toBe(EXIT.ok);
    const [allocation = '', positionBias = ''] = table.trim().split('\n\n');
    expect(allocation.split('\n')).toHaveLength(1 + 10 + 1);
    expect(positionBias.split('\n')).toHaveLength(1 + 9);
    for (const name of ['allocation.json', 'allocation.svg', 'efficiency.png', 'attention-maps.png']) {
      expect(existsSync(join(out, name))).toBe(true);
    }
  });
});
