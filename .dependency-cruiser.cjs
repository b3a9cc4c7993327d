/**
 * The house's rules, one list: what each folder of src/ may import besides itself, errors.ts, version.ts and statistics.ts
 * (CONTRIBUTING.md draws it). What lies below `runtime` runs in a browser as it is: no Node, no ONNX Runtime, no network.
 */
const LAYERS = {
  onnx: [],
  decoder: ['onnx'],
  strategies: ['onnx', 'decoder'],
  cost: ['onnx', 'decoder'],
  quantize: ['onnx', 'decoder', 'cost'],
  rewrite: ['onnx', 'decoder', 'strategies', 'cost', 'quantize'],
  // Helpers of Node's side.
  files: ['onnx', 'quantize'],
  build: ['onnx', 'decoder', 'quantize', 'files'],
  media: ['files'],
  scenes: ['files', 'media'],
  runtime: ['onnx', 'decoder', 'strategies', 'cost', 'quantize', 'rewrite', 'files', 'media', 'scenes'],
};
const BELOW_RUNTIME = ['onnx', 'decoder', 'strategies', 'cost', 'quantize', 'rewrite'];
LAYERS.bench = ['runtime', ...LAYERS.runtime];
LAYERS.eval = ['runtime', ...LAYERS.runtime];
LAYERS.analysis = ['eval', ...LAYERS.eval];
LAYERS.server = ['eval', ...LAYERS.eval];
LAYERS['ai-sdk'] = ['runtime', ...LAYERS.runtime];
LAYERS.cli = ['server', 'analysis', 'bench', 'build', ...LAYERS.analysis];

/** Files beside the folders that need nothing and may be used anywhere. */
const ANYWHERE = '(errors|version|lfs-pointer|printable|statistics|dtypes|once)';
/** Tests may look anywhere. */
const TEST = '\\.test\\.ts$';
const group = (names) => `(${names.join('|')})`;

const layers = Object.entries(LAYERS).map(([folder, below]) => ({
  name: `layer-${folder}`,
  comment: `src/${folder} may import ${below.length === 0 ? 'nothing of src/ but errors' : below.join(', ')}.`,
  severity: 'error',
  from: { path: `^src/${folder}/`, pathNot: TEST },
  to: { path: '^src/', pathNot: `^src/(${group([folder, ...below])}/|${ANYWHERE}\.ts)` },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...layers,
    {
      name: 'every-folder-has-a-layer',
      comment: 'A new folder of src/ is listed in LAYERS, so that it has rules.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/${group(Object.keys(LAYERS))}/` },
      to: {},
    },
    {
      name: 'no-node-below-runtime',
      comment: 'What lies below runtime runs in a browser as it is.',
      severity: 'error',
      from: { path: `^src/${group(BELOW_RUNTIME)}/`, pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-package-below-runtime',
      comment: 'A page bundles what lies below runtime: ONNX files are read and written by src/onnx itself.',
      severity: 'error',
      from: { path: `^src/${group(BELOW_RUNTIME)}/`, pathNot: TEST },
      to: { path: 'node_modules' },
    },
    {
      name: 'benchmarks-use-no-command',
      comment:
        'bench/ measures the library; what a command and a benchmark share lies below both. The laboratory has a benchmark of its own.',
      severity: 'error',
      from: { path: '^bench/', pathNot: '^bench/laboratory' },
      to: { path: '^src/(cli|analysis|eval)/' },
    },
    {
      name: 'the-page-is-of-the-browser',
      comment: 'web/src runs in a page: no Node, no command, no server.',
      severity: 'error',
      from: { path: '^web/src/', pathNot: TEST },
      to: { path: '^src/(cli|server|bench|files|media|build)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the-page-has-no-node',
      severity: 'error',
      from: { path: '^web/src/', pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'nothing-needs-the-page',
      severity: 'error',
      from: { path: '^(src|bench)/' },
      to: { path: '^web/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types'],
      extensions: ['.ts', '.tsx', '.js'],
    },
  },
};
