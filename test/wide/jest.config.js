const suite = require('../../jest.config');

process.env.LIVENESS_WIDE = '1'; // for the workers: nothing is left out

/** Everything but test/faults: the fast tests without what they leave out, and test/wide. */
module.exports = { ...suite, rootDir: '../..', testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/faults/'] };
