// Measuring on a machine that does other things too: variants take turns, medians are compared, and beside the time on
// the clock stands the processor time that the run took, which waiting for other programs does not lengthen. (Threads
// must not spin while they wait, or that counts as well: see sessions.ts.)

/** Milliseconds: the median, and the fastest and slowest run. */
export interface Timing {
  readonly median: number;
  readonly fastest: number;
  readonly slowest: number;
  readonly runs: readonly number[];
}

/** Time on the clock, and processor time of all threads. */
export interface Timings {
  readonly wall: Timing;
  readonly cpu: Timing;
}

/** Something to time. */
export interface Variant {
  readonly name: string;
  run(): Promise<unknown>;
}

/**
 * Times variants in turns, forwards and backwards, after one run each that doesn't count.
 * @param onRun called after every run, with the number of runs done and of all runs
 * @returns a timing for each variant, by name
 */
export async function interleaved(
  variants: readonly Variant[],
  rounds: number,
  onRun?: (done: number, all: number) => void,
): Promise<Map<string, Timings>> {
  const runs = new Map(variants.map(({ name }) => [name, { wall: [] as number[], cpu: [] as number[] }]));
  const all = variants.length * (rounds + 1);
  let done = 0;
  for (const variant of variants) {
    await variant.run();
    onRun?.(++done, all);
  }
  for (let round = 0; round < rounds; round++) {
    for (const variant of round % 2 === 0 ? variants : [...variants].reverse()) {
      const cpu = process.cpuUsage();
      const start = performance.now();
      await variant.run();
      const wall = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      runs.get(variant.name)?.wall.push(wall);
      runs.get(variant.name)?.cpu.push((user + system) / 1000);
      onRun?.(++done, all);
    }
  }
  return new Map([...runs].map(([name, { wall, cpu }]) => [name, { wall: timing(wall), cpu: timing(cpu) }]));
}

/** Summarises runs. */
export function timing(runs: readonly number[]): Timing {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
  return { median, fastest: sorted[0] ?? 0, slowest: sorted.at(-1) ?? 0, runs };
}

/** The ratio of two variants that took turns: the median over rounds, which is steadier than a ratio of medians. */
export function speedup(before: Timing, after: Timing): number {
  return timing(before.runs.map((time, round) => time / (after.runs[round] ?? Number.NaN))).median;
}
