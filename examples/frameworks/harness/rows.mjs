// What is done to each recipe, and what a probe should say of it. The same for every framework.

/** Of the heartbeat, in seconds, unless the row has a shorter one. A mail's own is 8 s, see yours.ts. */
export const LIMIT_S = 5;
/** How long the server is away, in seconds. */
export const OUTAGE_S = 30;
/** An acknowledgement may be late by an outage, and not for ever: how long a task for it may be in hand, in seconds. */
export const ACK_LIMIT_S = 40;

/** How long a wedge may stay unseen, in seconds: ours are decided in about twelve, and by a schedule in 17. */
const UNSEEN_S = 40;

/**
 * `act` does it. `watch` is for how many seconds the probe is asked then, each second: dead is three times dead in a row. After
 * `expect: 'alive'` a last job has to be done too, else it is not well. With `mayRecover` a framework that goes on by itself is right too.
 * After `expect: 'ends'` the process has to end by itself. A `rare` row exists only for a framework that has an act for it, or the row's
 * `server`; `rare` is the reason that the others give.
 */
export const rows = [
  {
    id: 'hung-one', row: 'one of ten hung', expect: 'dead', watch: UNSEEN_S,
    how: 'one handler never ends, while five short jobs a second go on',
    act: (stage) => stage.add({ does: 'hang' }),
  },
  {
    id: 'hung-all', row: 'all hung', expect: 'dead', watch: UNSEEN_S,
    how: 'ten handlers never end, so no slot is left',
    act: (stage) => stage.addMany(10, { does: 'hang' }),
  },
  {
    id: 'hung-idle', row: 'hung while idle', expect: 'dead', watch: UNSEEN_S,
    how: 'one handler never ends, and no other job comes',
    act: async (stage) => {
      await stage.quiet();
      await stage.add({ does: 'hang' });
    },
  },
  {
    id: 'busy', row: 'busy loop', expect: 'dead', watch: UNSEEN_S,
    how: 'a handler never gives the event loop back',
    act: (stage) => stage.add({ does: 'spin' }),
  },
  {
    id: 'stopped', row: 'stopped', expect: 'dead', watch: UNSEEN_S,
    how: 'by the service, which stays up',
    act: (stage) => stage.act('stopped'),
  },
  {
    id: 'paused', row: 'paused', expect: 'dead', watch: UNSEEN_S,
    how: 'by the service, for ever',
    act: (stage) => stage.act('paused'),
  },
  {
    id: 'cancelled', row: 'cancelled', expect: 'dead', watch: UNSEEN_S, mayRecover: true,
    how: 'by the broker, for example because the queue was deleted, while the connection stays up',
    act: (stage) => stage.act('cancelled'),
  },
  {
    id: 'refused', row: 'set-up refused', expect: 'dead', watch: UNSEEN_S, rare: 'it sets up nothing at its broker', server: 'rabbitmq',
    how: 'the queue was made anew with other options while the consumer was away: the broker accepts each connection and refuses each set-up',
    act: async (stage) => {
      await stage.act('refused');
      await stage.proxy.reset();
      await stage.proxy.restore();
    },
  },
  {
    id: 'unanswered', row: 'set-up unanswered', expect: 'dead', watch: UNSEEN_S, rare: 'its library does the set-up',
    how: 'after a lost connection the broker accepts a new one, and does not answer the set-up',
    act: async (stage) => {
      await stage.act('unanswered');
      await stage.proxy.reset();
      await stage.proxy.restore();
    },
  },
  {
    id: 'crashed', row: 'crashed', expect: 'dead', watch: UNSEEN_S, mayRecover: true,
    how: 'the consumer ends by an error, and the process stays up',
    act: (stage) => stage.act('crashed'),
  },
  {
    id: 'parked', row: 'parked', expect: 'dead', watch: UNSEEN_S, mayRecover: true,
    how: 'the call that fetches never settles; the handlers in hand end',
    act: (stage) => stage.act('parked'),
  },
  {
    id: 'ack-lost', row: 'no acknowledgement', expect: 'dead', watch: ACK_LIMIT_S + UNSEEN_S,
    how: 'the acknowledgement of one job never settles and holds its slot for ever; its limit is above the longest outage',
    act: (stage) => stage.act('ack-lost'),
  },
  {
    id: 'idle', row: 'idle', expect: 'alive', watch: 5 * LIMIT_S,
    how: 'for five times the limit',
    act: (stage) => stage.quiet(),
  },
  {
    id: 'delayed', row: 'a delayed job', expect: 'alive', watch: 25, limit: 3,
    how: 'by 20 s, and no other job comes; the limit is 3 s, as BullMQ would wait for 10 s at a time',
    act: async (stage) => {
      await stage.quiet();
      await stage.add({ delay: 20_000 });
    },
    after: (stage) => stage.allHandled(),
  },
  {
    id: 'limited', row: 'rate limited', expect: 'alive', watch: 20, rare: 'its consumer limits no rate',
    how: 'by its own limiter, to a job in 12 s, which is over the limit',
    act: async (stage) => {
      await stage.quiet();
      await stage.act('limited');
      await stage.addMany(3, {});
    },
    after: (stage) => stage.allHandled(),
  },
  {
    id: 'long', row: 'a long job', expect: 'alive', watch: 13,
    how: 'of 10 s, its limit 25 s, beside short ones',
    act: (stage) => stage.add({ ms: 10_000, limit: 25_000 }),
    after: (stage) => stage.allHandled(),
  },
  {
    id: 'long-all', row: 'ten long jobs', expect: 'alive', watch: 13,
    how: 'at once, so that nothing is fetched for 10 s',
    act: async (stage) => {
      await stage.quiet();
      await stage.addMany(10, { ms: 10_000, limit: 25_000 });
    },
    after: (stage) => stage.allHandled(),
  },
  {
    id: 'reset', row: 'reset', expect: 'alive', watch: OUTAGE_S + 5,
    how: 'for 30 s connections are reset, and new ones refused',
    act: (stage) => stage.away(() => stage.proxy.reset(), () => stage.proxy.restore()),
  },
  {
    id: 'silence', row: 'silence', expect: 'alive', watch: OUTAGE_S + 5,
    how: 'for 30 s nothing comes through, also on new connections; the old ones stay half-open for ever',
    act: (stage) => stage.away(() => stage.proxy.silence(), () => stage.proxy.restore()),
  },
  {
    id: 'killed', row: 'server killed', expect: 'alive', watch: OUTAGE_S + 5, ownServer: true,
    how: 'by `kill -9`, and started again after 15 s',
    act: (stage) => stage.away(() => stage.server.kill(), () => stage.server.restart(), OUTAGE_S / 2),
  },
  {
    id: 'sigterm', row: 'SIGTERM', expect: 'ends',
    how: 'while a job of 7 s is in hand, which is over the limit: the process does it, removes its heartbeat, ends by itself, and warns of nothing',
    act: (stage) => stage.begun({ ms: 7000, limit: 15_000 }),
  },
];
