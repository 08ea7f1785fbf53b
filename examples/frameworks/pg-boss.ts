import { limit, port, queue, type Mail } from './yours.js';
import { timestamp, work } from './work.js';

// recipe
import { PgBoss } from 'pg-boss';

const concurrency = 10;
const often = { connectionTimeoutMillis: 2500, query_timeout: 2500 }; // more for a longer limit, but never without an end
const boss = new PgBoss({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', ...often });
boss.on('error', console.error);
await boss.start();
const db = boss.getDb();
// Also the query that completes a job, which may wait for the longest outage.
db.executeSql = timestamp.wrap(db.executeSql.bind(db), { name: 'query', maximumAge: 40_000 });

await boss.work<Mail>(queue, { localConcurrency: concurrency, pollingIntervalSeconds: 0.5 }, async (jobs) => {
  for (const { data } of jobs) await work(data);
});
timestamp.refreshWhile(() => {
  const workers = boss.getWipData().filter(({ name, state }) => name === queue && state === 'active');
  return workers.length === concurrency && workers.every(({ count, createdOn, lastFetchedOn, lastErrorOn }) => (
    count > 0 || Date.now() - Math.max(createdOn, lastFetchedOn ?? 0, lastErrorOn ?? 0) < limit
  ));
});
process.once('SIGTERM', () => boss.stop().then(() => timestamp.finish()));
// end of recipe

export { boss, queue };
