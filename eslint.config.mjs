import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

// The files of src, the lowest floor first. A file imports from its own floor and from lower floors.
const FLOORS = [
  ['errors', 'duration', 'verdict', 'record', 'replaceable', 'kubelet'], // the contract, and the kubelet as arithmetic
  ['defaults', 'proc', 'held-folder', 'read-line', 'file'], // the machine
  ['judge', 'options', 'place', 'heartbeat-file', 'tasks', 'task', 'overdue', 'gate', 'progress', 'writer'], // reading and writing
  ['health', 'timestamp', 'process-timestamp'], // the public classes
  ['stack'], // the frames of a process, for the command line and for --last-words
  ['probe', 'liveness', 'index'], // the probes, and the public door
  ['cli/.+'], // the command line
];
const USING_PACKAGES = ['stack', 'cli/.+'];
const PACKAGES = {
  regex: '^(?!\\.|node:|date-fns/milliseconds$)',
  message: 'Only the command line and stack.ts may import packages, because they make a probe start slowly.',
};

function floor(names, at) {
  const reached = FLOORS.slice(0, at + 1).flat();
  const patterns = USING_PACKAGES.includes(names[0]) ? [] : [PACKAGES];
  if (at < FLOORS.length - 1) {
    const regex = `^\\.(?!/(?:(?:${reached.join('|')})(?:\\.js)?|liveness/help\\.txt)$)`;
    patterns.push({ regex, message: 'It is not on the floor of this file or below.' });
  }
  const files = names.map((name) => `src/${name.replace('.+', '**/*')}.ts`);
  const dynamic = patterns.map(({ regex, message }) => ({
    selector: `ImportExpression > Literal[value=/${regex.replaceAll('/', '\\/')}/]`,
    message,
  }));
  return {
    files,
    rules: { 'no-restricted-imports': ['error', { patterns }], 'no-restricted-syntax': ['error', ...dynamic] },
  };
}

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'coverage/'] },
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
  // Without types, because the packages of these examples are not installed.
  {
    files: ['examples/{frameworks,metrics}/*.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: {
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }], // a module of Nest
      '@typescript-eslint/no-non-null-assertion': 'off', // a recipe fits into 25 lines
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
