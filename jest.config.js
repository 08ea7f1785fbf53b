/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/faults/'], // npm run test:faults
  transform: { '\\.ts$': [
      'ts-jest',
      // 151002 asks for isolatedModules, with which ts-jest would no longer check types; the others are its defaults.
      { tsconfig: '<rootDir>/tsconfig.json', diagnostics: { ignoreCodes: [6059, 18002, 18003, 151002] } },
    ] },
  moduleNameMapper: { '^k8s-liveness$': '<rootDir>/src/index.ts' },
  maxWorkers: '100%', // most of the time goes to the processes that tests start
  testTimeout: 20_000,
};
