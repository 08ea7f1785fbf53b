/** Queries that hold these words. */
function neverSettle(boss, words) {
  const { pool } = boss.getDb();
  const { query } = pool;
  pool.query = function ask(text, ...rest) {
    return text.includes(words) ? new Promise(() => undefined) : query.call(this, text, ...rest);
  };
}

export default {
  title: 'pg-boss',
  server: 'postgres',
  install: ['pg-boss'],
  about: [
    'Ten workers, each with a fetch loop. Not for pg-boss 10: its `getWipData()` names only workers with jobs in hand, a',
    'failed fetch is silent, and a job that cannot be completed in an outage ends the process by an unhandled rejection.',
  ].join(' '),
  async produce({ port, queue }) {
    const { PgBoss } = await import('pg-boss');
    const boss = new PgBoss({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 2, supervise: false, schedule: false });
    boss.on('error', () => undefined);
    await boss.start();
    await boss.createQueue(queue);
    return { add: (mail) => boss.send(queue, mail, { startAfter: (mail.delay ?? 0) / 1000 }), close: () => boss.stop({ graceful: false }) };
  },
  acts: {
    stopped: ({ boss, queue }) => boss.offWork(queue),
    parked: ({ boss }) => neverSettle(boss, 'SKIP LOCKED'),
    'ack-lost': ({ boss }) => neverSettle(boss, "state = 'completed'"),
  },
  none: {
    paused: 'it has no pause',
    cancelled: 'the source is asked each time, and knows no consumer',
    crashed: 'the fetch loop catches what fails and goes on',
  },
  proof: [
    { when: 'idle', what: '`lastFetchedOn` of each worker, each `pollingIntervalSeconds`', source: { file: 'pg-boss/dist/worker.js', text: 'this.lastFetchedOn = this.clock.now();' } },
    { when: 'busy', what: '`count`, the jobs that a worker has in hand; they and their queries are tasks', source: { file: 'pg-boss/dist/worker.js', text: 'count: this.jobs.length,' } },
    { when: 'in an outage', what: '`lastErrorOn` of each worker, as a fetch that fails ends its turn', source: { file: 'pg-boss/dist/worker.js', text: 'this.lastErrorOn = this.clock.now();' } },
    { when: 'always', what: 'as many workers as were asked for; one that has stopped is not listed', source: { file: 'pg-boss/dist/manager.js', text: '.filter(i => i.state !== \'stopped\' &&' } },
  ],
};
