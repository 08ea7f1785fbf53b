// npm run test:all: every test with nothing left out, test/faults, test/frameworks, and what may differ between Nodes on each other Node.

import { chosen, nodes } from './support/nodes.mjs';
import { runAll, suite } from './support/suite.mjs';

const WIDE = ['--config', 'test/wide/jest.config.js'];
// These take long and say nothing about a Node.
const ELSEWHERE = [
  ...WIDE,
  '--testPathIgnorePatterns',
  '/node_modules/',
  '/test/faults/',
  'redis-',
  'rng-',
  'chart',
  'frameworks',
  'wide/package',
  'wide/metrics',
];

const [own = ''] = process.versions.node.split('.');
runAll([
  { name: 'every test', run: () => suite(process.execPath, WIDE) },
  { name: 'test/faults', run: () => suite(process.execPath, ['--config', 'test/faults/jest.config.js']) },
  { name: 'test/frameworks', run: () => suite(process.execPath, ['--config', 'test/frameworks/jest.config.js']) },
  ...chosen(['--except', own]).majors.map((major) => ({
    name: `Node ${major}`,
    run: () => suite(nodes([major])[0]?.path ?? '', ELSEWHERE),
  })),
]);
