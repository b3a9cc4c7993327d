/** K, R in percent, and the rule of a condition's name (`K2-R90-scope+sizes`); undefined of a name that has no K and R. */
export function cutOf(name) {
  const [, layer, ratio, rule] = /^K(\d+)-R([\d.]+)-(.+)$/u.exec(name) ?? [];
  return rule === undefined ? undefined : { layer: Number(layer), ratio: Number(ratio), rule };
}
