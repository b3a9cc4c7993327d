/** A recipe: a sweep that is worth running as it stands. */
import type { Grid } from '../grid.js';

export interface Recipe {
  readonly name: string;
  /** The question that it answers. */
  readonly about: string;
  /** Where the question comes from. */
  readonly source: string;
  /** Names of tasks and groups. */
  readonly tasks: readonly string[];
  readonly grid: Grid;
  /** Samples a task, unless --limit says otherwise. */
  readonly limit: number;
}
