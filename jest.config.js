/** @type {import('jest').Config} What `npm test` runs. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/wide/', '<rootDir>/test/faults/'], // npm run test:all
  // tsconfig.json's isolatedModules: types are checked once for all files, by tsc in `pretest`.
  transform: { '\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.json' }] },
  moduleNameMapper: { '^k8s-liveness$': '<rootDir>/src/index.ts' },
  maxWorkers: '100%', // most of the time goes to the processes that tests start
  workerGracefulExitTimeout: 60_000, // half a second is too little on a busy machine
  testTimeout: 600_000, // ends what hangs: no test depends on how fast a machine is
};
