const suite = require('../../jest.config');

/** Real processes, mounts and containers, one file after the other: each measures the machine it runs on. */
module.exports = {
  ...suite,
  rootDir: '../..',
  roots: ['<rootDir>/test/faults'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  testTimeout: 3_600_000, // ends what hangs
};
