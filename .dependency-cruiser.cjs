/** The house's rules: data flows cli → eval/analysis → runtime → rewrite → onnx, and the graph code runs in a browser. */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'graph-code-is-pure',
      comment:
        'src/onnx, src/decoder, src/rewrite and src/cost run in a browser as they are: no Node, no ONNX Runtime.',
      severity: 'error',
      from: { path: '^src/(onnx|decoder|rewrite|cost)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'graph-code-needs-only-the-schema',
      severity: 'error',
      from: { path: '^src/(onnx|decoder|rewrite|cost)/', pathNot: '\\.test\\.ts$' },
      to: { path: 'node_modules', pathNot: 'node_modules/(@bufbuild/protobuf|onnx-buf)/' },
    },
    {
      name: 'graph-code-is-the-bottom',
      severity: 'error',
      from: { path: '^src/(onnx|decoder|rewrite|cost)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(onnx|decoder|rewrite|cost|errors\\.ts)' },
    },
    {
      name: 'onnx-knows-no-rewrite',
      severity: 'error',
      from: { path: '^src/onnx/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/(decoder|rewrite|cost)/' },
    },
    {
      name: 'decoder-knows-no-rewrite',
      severity: 'error',
      from: { path: '^src/decoder/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/(rewrite|cost)/' },
    },
    {
      name: 'only-the-cli-uses-the-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types'],
      extensions: ['.ts', '.js'],
    },
  },
};
