const suite = require('../../jest.config');

process.env.LIVENESS_WIDE = '1'; // jest's workers inherit it: the fast tests leave nothing out

/** All tests but those of test/faults. */
module.exports = {
  ...suite,
  rootDir: '../..',
  maxWorkers: '100%', // containers want a core each
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/faults/',
    '<rootDir>/test/frameworks/',
    '<rootDir>/test/kubelet/',
  ],
};
