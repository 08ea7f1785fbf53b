import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

// The files of src, the lowest floor first. A file imports from its own floor and from lower floors.
const FLOORS = [
  ['errors', 'duration', 'verdict', 'record', 'replaceable', 'kubelet'], // the contract, and the kubelet as arithmetic
  ['defaults', 'proc', 'held-folder', 'read-line', 'file'], // the machine
  ['judge', 'options', 'place', 'heartbeat-file', 'tasks', 'task', 'overdue', 'gate', 'progress', 'writer'], // reading and writing
  ['health', 'timestamp', 'process-timestamp'], // the public classes
  ['probe', 'liveness', 'index'], // the probes, and the public door
  ['stack', 'cli/.+'], // the command line
];
const PACKAGES = '^(?!\\.|node:|date-fns/milliseconds$)';

function floor(names, at) {
  const patterns = [];
  const above = FLOORS.slice(at + 1).flat();
  if (above.length > 0) {
    patterns.push({ regex: `^\\.\\.?/(?:${above.join('|')})$`, message: 'It is on a floor above this file.' });
    patterns.push({
      regex: PACKAGES,
      message: 'Only the command line may import packages, because they make a probe start slowly.',
    });
  }
  const files = names.map((name) => `src/${name.replace('.+', '**/*')}.ts`);
  return { files, rules: { 'no-restricted-imports': ['error', { patterns }] } };
}

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'coverage/', 'examples/frameworks/*.ts', 'examples/metrics/*.ts'] }, // their packages are not installed
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [js.configs.recommended],
    languageOptions: { globals: globals.node },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '', message: 'Add this file to a floor in eslint.config.mjs.' }] },
      ],
    },
  },
  ...FLOORS.map(floor),
);
