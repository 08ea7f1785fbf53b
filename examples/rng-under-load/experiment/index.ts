// Runs the same service twice under the same load: three replicas probed by HTTP GET, three by their heartbeat.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Timestamp } from 'k8s-liveness';
import { CONCURRENCY, endClients, hasAb } from './clients';
import { Deployment } from './deployment';
import { endReplicas } from './kubelet';
import { now, say, seconds, show, until } from './record';
import { timeline, type Mark } from './timeline';

const { CLIENTS = '4', REQUESTS = '250' } = process.env;
const SVG = process.argv[2] ?? join(__dirname, '..', 'load.svg');
const LIVENESS_SH = join(dirname(require.resolve('k8s-liveness/package.json')), 'dist', 'liveness.sh');

/** The period of the course's pod rng-with-liveness; timeout and threshold are Kubernetes' defaults. */
const TIMING = { periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 3 };
/** More than the 5 s for which a new replica is up under load: a client's pause, a period, three timeouts. */
const WELL_SECONDS = 8;
/** Longer than the heartbeat's maximumAge, to show that an idle loop beats too. */
const IDLE_SECONDS = 3;
/** A little more than the longest back-off. */
const PATIENCE_SECONDS = 330;

if (![CLIENTS, REQUESTS].every((count) => /^[1-9]\d*$/.test(count))) {
  console.error(`CLIENTS and REQUESTS expected whole numbers above 0; got ${CLIENTS} and ${REQUESTS}`);
  process.exit(2);
}
if (!hasAb() || !existsSync('/proc/uptime')) {
  console.log('Left out, all of it: it needs ab (apt-get install apache2-utils), and /proc to judge heartbeats by.');
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'rng-under-load-'));
const http = new Deployment('HTTP GET', { httpGet: { path: '/' }, ...TIMING }, join(folder, 'http'));
const heartbeat = new Deployment(
  'heartbeat',
  { exec: { command: ['sh', LIVENESS_SH] }, ...TIMING },
  join(folder, 'heartbeat'),
);
const sides = [http, heartbeat];

// Runs at every end: success, failure or Ctrl-C.
process.on('exit', () => {
  endClients();
  endReplicas();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, () => process.exit(code));
}

async function experiment(): Promise<void> {
  show(sides);
  await Promise.all(sides.map((side) => side.start()));

  const begin = now();
  const clients = `${CLIENTS} × ab -c ${CONCURRENCY} -n ${REQUESTS}`;
  say(`The load begins: ${clients} on each side.`);
  const patience = new AbortController();
  const deadline = setTimeout(() => {
    patience.abort();
  }, PATIENCE_SECONDS * 1000);
  const loads = sides.map((side) => side.load(Number(CLIENTS), Number(REQUESTS), patience.signal));
  await loads[1];
  clearTimeout(deadline);
  const end = now();
  say('The load ends: the clients of the heartbeat are done; those of HTTP GET give up.');
  patience.abort();
  await loads[0];
  const gaps = heartbeat.replicas.map(({ livenessPath }) => Timestamp.byRef(livenessPath).verdict().longestGap ?? NaN);

  const [, wedged] = await Promise.all([recovery(), wedge()]);

  const underLoad = (times: readonly number[]): number => times.filter((at) => at <= end).length;
  const wanted = Number(CLIENTS) * Number(REQUESTS);
  const table = [
    ['', ...sides.map(({ name }) => name)],
    [`answered when the load ended, of ${wanted}`, ...sides.map(({ answered }) => String(answered))],
    ['refused or cut off', ...sides.map(({ balancer }) => String(underLoad(balancer.failures)))],
    ['restarts under load', ...sides.map(({ endings }) => String(underLoad(endings)))],
    ['longest time with no replica', ...sides.map((side) => seconds(side.longest(0, begin)))],
    ['slowest answer', ...sides.map(({ balancer }) => seconds(balancer.slowest))],
    ['longest gap between two beats', '-', `${(Math.max(...gaps) / 1000).toFixed(2)} s`],
  ].map(([what = '', ...values]) => what.padEnd(38) + values.map((value) => value.padStart(11)).join(''));
  console.log(`\n${table.join('\n')}\n`);

  const marks = [
    { at: begin, text: `load begins: ${clients}` },
    { at: end, text: 'load ends', before: true },
  ];
  const panels = [
    { side: http, title: 'Liveness by HTTP GET: an answer within 1 s', marks },
    { side: heartbeat, title: 'Liveness by heartbeat: a beat within 2 s', marks: [...marks, wedged] },
  ];
  writeFileSync(SVG, timeline(panels, table));
  console.log(`The timeline is in ${SVG}.`);

  expect(
    'every replica of HTTP GET restarted',
    http.replicas.every(({ endings }) => endings.length > 0),
  );
  expect(
    'one of them restarted again under load',
    http.replicas.some(({ endings }) => underLoad(endings) > 1),
  );
  expect('a time with no replica of HTTP GET', http.longest(0, begin, end) > 0);
  expect('no recovery of HTTP GET under load', http.longest(3, http.endings[0] ?? begin, end) < WELL_SECONDS);
  expect(
    'no restart of HTTP GET without load',
    http.endings.every((at) => at < end + WELL_SECONDS),
  );
  expect('every request of the heartbeat answered', heartbeat.answered === wanted);
  expect('none of them refused or cut off', underLoad(heartbeat.balancer.failures) === 0);
  expect('no restart of the heartbeat under load', underLoad(heartbeat.endings) === 0);
  expect('one restart of the heartbeat, for the wedge', heartbeat.endings.length === 1);
}

async function recovery(): Promise<void> {
  await until('HTTP GET to recover', PATIENCE_SECONDS, () => http.up === 3 && now() - http.settled > WELL_SECONDS);
  say(`All three replicas of HTTP GET have been up for ${WELL_SECONDS} s.`);
}

async function wedge(): Promise<Mark> {
  await sleep(IDLE_SECONDS * 1000);
  const at = now();
  const before = heartbeat.endings.length;
  say('A request wedges the loop of one replica of the heartbeat: it awaits what never comes.');
  get({ port: heartbeat.port, path: '/wedge', agent: false }).on('error', () => undefined);
  await until('the wedged replica to be restarted', 60, () => heartbeat.endings.length > before && heartbeat.up === 3);
  await Promise.all([1, 2, 3].map(() => answer(heartbeat.port)));
  say('All three replicas of the heartbeat answer.');
  return { at, text: 'a loop is wedged' };
}

function answer(port: number): Promise<void> {
  return new Promise((settle, fail) => {
    get({ port, path: '/1', agent: false }, (response) => response.resume().on('end', settle)).on('error', fail);
  });
}

function expect(what: string, seen: boolean): void {
  if (!seen) throw new Error(`expected ${what}; it was not so`);
}

experiment().then(
  () => {
    console.log('Under load HTTP GET restarted replicas until none was left; the heartbeat restarted the wedged one.');
    process.exit(0);
  },
  (error: unknown) => {
    console.error(`\nNot as README says: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
