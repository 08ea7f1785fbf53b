/** The node that the other tests run pods on: whatever happens to it, it leaves nothing behind, and nobody waits for ever. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describeIf } from '../support/describe-if';
import { missing, Node } from './node';

const PODS = 'http://127.0.0.1:10255/pods';

describeIf(missing() === '', missing())('a node', () => {
  test('says that the kubelet does not answer, and leaves nothing when its shell gets SIGTERM', async () => {
    const node = await Node.open();
    const left = () => spawnSync('find', ['/sys/fs/cgroup', '-name', node.cgroup], { encoding: 'utf8' }).stdout;
    try {
      expect((await node.ask(PODS)).status).toBe(200);
      node.inside?.kill('SIGSTOP');
      await expect(node.ask(PODS, 'GET', 100)).rejects.toThrow(`GET ${PODS}: no answer within 100 ms`);
      node.inside?.kill('SIGCONT');
      expect((await node.ask(PODS)).status).toBe(200);
      expect([left(), existsSync(node.folder)]).toEqual([expect.stringContaining(node.cgroup), true]);
      node.keeper.kill('SIGTERM');
    } finally {
      await node.close();
    }
    expect([left(), existsSync(node.folder)]).toEqual(['', false]);
    await expect(node.ask(PODS)).rejects.toThrow(`GET ${PODS}: inside.mjs has ended`);
  });
});
