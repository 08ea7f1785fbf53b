const suite = require('../../jest.config');

/** The library under a real kubelet: npm run test:kubelet. */
module.exports = {
  ...suite,
  rootDir: '../..',
  roots: ['<rootDir>/test/kubelet'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  maxConcurrency: 6, // a test has one pod, and two cores bear no more than six
  testTimeout: 1_200_000, // only for a test that hangs
};
