const { availableParallelism } = require('node:os');

/** @type {import('jest').Config} The tests of `npm test`. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/wide/',
    '<rootDir>/test/faults/',
    '<rootDir>/test/frameworks/',
    '<rootDir>/test/kubelet/',
  ], // npm run test:all
  // tsconfig.json has isolatedModules, because `pretest` has checked the types of all files.
  transform: { '\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.json' }] },
  moduleNameMapper: { '^k8s-liveness$': '<rootDir>/src/index.ts' },
  maxWorkers: Math.ceil(1.5 * availableParallelism()), // more than cores: tests often wait for processes
  workerGracefulExitTimeout: 60_000, // half a second is too little on a busy machine
  testTimeout: 600_000, // only for a test that hangs: no test depends on the machine's speed
};
