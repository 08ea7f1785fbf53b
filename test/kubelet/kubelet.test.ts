import type { Pod } from 'kubernetes-types/core/v1';
import { parse } from 'yaml';
import { describeIf } from '../support/need';
import { until } from '../support/until';
import { missing, Node } from './node';

describeIf(missing() === '', missing())('under a real kubelet', () => {
  let node: Promise<Node> | undefined;
  const opened = (): Promise<Node> => (node ??= Node.open());
  afterAll(async () => (await node)?.close());

  test.concurrent('slice', async () => {
    const node = await opened();
    const pod = parse(
      node.manifest(
        '--maximum-age',
        '4s',
        '--name',
        'slice',
        '--image',
        'worker:1',
        '--',
        'node',
        'dist/main.js',
        'limit=4',
        'wedge=10',
      ),
    ) as Pod;
    node.apply(pod);
    await until(async () => (await node.status('slice', 'slice'))?.restartCount === 1, 'a restart');
    console.log(node.said('slice', 'slice'));
  });
});
