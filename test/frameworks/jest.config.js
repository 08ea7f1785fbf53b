const suite = require('../../jest.config');

/** `npm run test:frameworks`: seven minutes, most of them waiting. */
module.exports = {
  ...suite,
  rootDir: '../..',
  roots: ['<rootDir>/test/frameworks'],
  testPathIgnorePatterns: ['/node_modules/'],
};
