// npm run test:all: every test and every row, test/faults, test/frameworks, and on each other Node the tests that may differ there.

import { chosen, nodes } from './support/nodes.mjs';
import { runAll, suite } from './support/suite.mjs';

const WIDE = ['--config', 'test/wide/jest.config.js'];
// These take long and do not depend on the Node version.
const ELSEWHERE = [
  ...WIDE,
  '--testPathIgnorePatterns',
  '/node_modules/',
  '/test/faults/',
  '/test/kubelet/',
  'redis-',
  'rng-',
  'chart',
  'frameworks',
  'lint',
  'manifest',
  'kubernetes-page',
  'migrating',
  'troubleshooting',
  'wide/doctor',
  'wide/run-kill-dead',
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
