// Rows of docs/truth.md that should stay alive.

/** @type {readonly import('./wedges.mjs').Scenario[]} */
export const stresses = [];
