// Rows of docs/truth.md that should be dead. Each starts a service that is well, and then does to it what its name says.

import { childrenOf, inside, statusOf, until } from './stage.mjs';

/**
 * A row. `prepare` starts what must be alive for every observer; `act`, called when it is, does what the row is about, and
 * may return another target to look at from then on.
 *
 * @typedef {object} Scenario
 * @property {string} id
 * @property {string} row its name in the table
 * @property {string} how what is done, in one line
 * @property {boolean} [alone] it would disturb others that run beside it
 * @property {number} [asks] how often each observer is asked; default: see run.mjs
 * @property {(stage: import('./stage.mjs').Stage) => Promise<Prepared>} prepare
 */

/**
 * @typedef {object} Prepared
 * @property {import('./observers.mjs').Target} target
 * @property {() => Promise<import('./observers.mjs').Target | void>} act
 * @property {readonly string[]} [refused] observers of whom it was seen that their service does not even start
 */

/** Rows in which one loop of an ordinary service hears a word. */
const word = (id, row, how, said, loop = 'main', options = {}) => ({
  id, row, how,
  prepare: async (stage) => {
    const service = await stage.service(options);
    return { target: service.target, act: async () => { await service.tell(loop, said); } };
  },
});

/** @type {readonly Scenario[]} */
export const wedges = [
  word('busy-loop', 'busy loop', 'the loop calls a function that never returns', 'busy'),
  word('never-settles', 'await that never settles', 'the loop awaits a promise that nobody settles', 'never'),
  word('loop-exited', 'loop exited, timers go on', 'the loop returns; servers and timers keep the process up', 'leave'),
];
