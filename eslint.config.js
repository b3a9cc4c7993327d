import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      'dist',
      'dist-*',
      '.cache',
      'node_modules',
      'models',
      'assets',
      'training',
      'test/fixtures',
      '**/*.js',
      '**/*.cjs',
      '**/*.mjs',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['**/*.test.ts', 'src/onnx/operators.ts', 'src/onnx/graph.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          "MemberExpression[computed=true][object.property.name='input']",
          "CallExpression[callee.property.name='at'][callee.object.property.name='input']",
          "VariableDeclarator[id.type='ArrayPattern'][init.property.name='input']",
        ].map((selector) => ({
          selector,
          message: "Read a node's inputs by their names: input(node, 'name') or firstInput(node).",
        })),
      ],
    },
  },
  {
    // what is ours, or the user's own settings, or was just written by this process
    files: ['src/**/*.ts'],
    ignores: [
      '**/*.test.ts',
      'src/files/*.ts',
      'src/scenes/atlas.ts',
      'src/cli/default-model.ts',
      'src/cli/actions/doctor.ts',
      'src/cli/hub/*.ts',
      'src/build/stage.ts',
      'src/eval/files.ts',
      'src/eval/model-fingerprint.ts',
      'src/eval/tasks/open-task.ts',
      'src/bench/profile.ts',
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:fs', 'node:fs/promises'].map((name) => ({
            name,
            importNames: ['readFile', 'readFileSync', 'createReadStream', 'open', 'openSync'],
            message: 'Files are hostile: open them by src/files/read.ts.',
          })),
        },
      ],
    },
  },
);
