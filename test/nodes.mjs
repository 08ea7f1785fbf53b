// npm run test:nodes [-- [--only 22,24 | --except 20] [jest's arguments]]: the suite on every Node of package.json's engines.

import { chosen, nodes } from './support/nodes.mjs';
import { runAll, suite } from './support/suite.mjs';

try {
  const { majors, rest } = chosen(process.argv.slice(2));
  runAll(nodes(majors).map(({ version, path }) => ({ name: `Node ${version}`, run: () => suite(path, rest) })));
} catch (error) {
  process.stderr.write(`test:nodes: ${error.message}\n`);
  process.exitCode = 1;
}
