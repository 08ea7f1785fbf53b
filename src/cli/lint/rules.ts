import type { Rule } from './rule';
import { refused } from './rules/api';
import {
  cannotStart,
  dollars,
  failsOpen,
  futureFile,
  inheritedOptions,
  nodeTimeout,
  orphans,
  refusedByProbe,
  staleFile,
  startsNpm,
} from './rules/commands';
import { noStartup, queuedTimeouts, sameAsReadiness, shortLimit, singleFailure, slowRestart } from './rules/numbers';
import { headroom, noRequest, onDisk, sidecar, unwritable } from './rules/places';

/** For a new rule, add it here and to docs/lint.md. */
export const RULES: readonly Rule[] = [
  cannotStart,
  failsOpen,
  dollars,
  refused,
  refusedByProbe,
  unwritable,
  sidecar,
  slowRestart,
  staleFile,
  futureFile,
  nodeTimeout,
  startsNpm,
  inheritedOptions,
  queuedTimeouts,
  singleFailure,
  noStartup,
  sameAsReadiness,
  shortLimit,
  onDisk,
  orphans,
  noRequest,
  headroom,
];
