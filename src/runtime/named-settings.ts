// Settings whose strategy is named as it was given, for whoever has the whole list at hand.
import { strategies, type Strategy, type StrategyName } from '../strategies/index.js';
import { settingsAmong, type PlugOptions, type Settings } from './options.js';

/** {@link Settings} before their strategy is looked up. */
export interface NamedSettings extends Omit<Settings, 'strategy'> {
  readonly strategy: StrategyName | Strategy;
}

/**
 * Checks and completes options.
 * @param depth layers of the decoder, by which a schedule is laid out; before it is known, those of LLaVA-1.5-7B
 * @throws {FastvError} `invalid-option`
 */
export function settingsOf(options: PlugOptions, depth?: number): NamedSettings {
  const { strategy, ...settings } = settingsAmong(strategies, options, depth);
  return { ...settings, strategy: options.strategy ?? (strategy.name as StrategyName) };
}
