const suite = require('../../jest.config');

/** The tests with real processes, mounts and containers. One file at a time, because each measures its machine. */
module.exports = {
  ...suite,
  rootDir: '../..',
  roots: ['<rootDir>/test/faults'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  testTimeout: 3_600_000, // only for a test that hangs
};
