// What the numbers of a probe mean; the arithmetic is in kubelet.ts.

import { coldStart, decision, seesEveryBeat } from '../../../kubelet';
import { words } from '../../manifest/numbers';
import type { Probe } from '../pods';
import { perProbe, type Rule } from '../rule';
import { HANDLERS } from './api';

export const queuedTimeouts: Rule = {
  id: 'timeout-over-period',
  severity: 'warning',
  describe: 'timeoutSeconds is longer than periodSeconds, so timeouts queue',
  check: perProbe(({ value, kind, timing }) => {
    const { timeoutSeconds, periodSeconds } = timing;
    if (timeoutSeconds <= periodSeconds) return undefined;
    const later = decision(0, timing).latest - decision(0, { ...timing, timeoutSeconds: periodSeconds }).latest;
    return {
      where: value.get('timeoutSeconds'),
      message: `${kind}Probe has timeoutSeconds ${timeoutSeconds} and periodSeconds ${periodSeconds}: timeouts queue, and a verdict comes up to ${words(later)} later. Write a timeoutSeconds of at most periodSeconds`,
    };
  }),
};

export const singleFailure: Rule = {
  id: 'single-failure',
  severity: 'warning',
  describe: 'One failed look restarts the container',
  check: perProbe(({ value, kind, timing }) => {
    if (kind === 'readiness' || timing.failureThreshold !== 1) return undefined;
    const happens =
      kind === 'startup'
        ? `a start that takes longer than ${words(coldStart(timing).earliest)} is killed, again and again. Write periods enough for the slowest start`
        : 'one slow probe, or a machine that was suspended, restarts a healthy container. Write at least 2';
    return { where: value.get('failureThreshold'), message: `${kind}Probe has failureThreshold 1: ${happens}` };
  }),
};

export const noStartup: Rule = {
  id: 'no-startup-probe',
  severity: 'warning',
  describe: 'The liveness probe begins at once: there is no startup probe and no initial delay',
  check: perProbe(({ value, kind, timing, container }) => {
    const isHeld = timing.initialDelaySeconds > 0 || container.probes.some((probe) => probe.kind === 'startup');
    if (kind !== 'liveness' || isHeld) return undefined;
    return {
      where: value,
      message: `livenessProbe has no startupProbe before it and no initialDelaySeconds: a start that takes longer than ${words(coldStart(timing).earliest)} is killed, again and again. Add a startupProbe with the same command`,
    };
  }),
};

export const sameAsReadiness: Rule = {
  id: 'same-as-readiness',
  severity: 'warning',
  describe: 'Liveness asks what readiness asks, and gives up as soon',
  check: perProbe(({ value, kind, timing, container }) => {
    const readiness = container.probes.find((probe) => probe.kind === 'readiness');
    if (kind !== 'liveness' || !readiness || handlerOf(value) !== handlerOf(readiness.value)) return undefined;
    // With the same question, a more patient liveness probe still tells "for a while" from "for good".
    if (decision(0, timing).earliest > decision(0, readiness.timing).earliest) return undefined;
    return {
      where: value,
      message:
        'livenessProbe asks the same as readinessProbe and is as quick to give up: whatever should only keep clients away for a while restarts the container. Let liveness ask for less, or allow it more failures',
    };
  }),
};

function handlerOf(probe: Probe['value']): string {
  return HANDLERS.map((name) => String(probe.get(name))).join();
}

export const shortLimit: Rule = {
  id: 'limit-under-two-periods',
  severity: 'warning',
  describe: 'The stated limit is shorter than two periods, so that two short stalls can look like one',
  check: perProbe(({ value, kind, timing, container }) => {
    const limit = Math.min(...container.limits);
    const { periodSeconds } = timing;
    // Two periods: as if each probe took as long as its period. `manifest` knows the probe, and counts its timeout.
    const timeoutSeconds = Math.max(timing.timeoutSeconds, container.isGenerated ? 0 : periodSeconds);
    const slowest = { ...timing, timeoutSeconds };
    if (kind !== 'liveness' || seesEveryBeat(limit, slowest)) return undefined;
    return {
      where: value.get('periodSeconds'),
      message: `livenessProbe has periodSeconds ${periodSeconds} and the limit is ${words(limit)}: no probe may come between two stalls, so two short ones restart the container. Write a periodSeconds of at most a quarter of the limit`,
    };
  }),
};

const DEFAULT_GRACE = 30;

export const slowRestart: Rule = {
  id: 'slow-restart',
  severity: 'error',
  describe: 'In the worst case a wedged container is gone later than --max-restart allows',
  check: perProbe(({ value, kind, timing, container }, { maxRestart }) => {
    if (kind !== 'liveness' || maxRestart === undefined) return undefined;
    const limit = Math.max(0, ...container.limits);
    const own = value.get('terminationGracePeriodSeconds').scalar;
    const grace = Number(own ?? container.pod.spec.get('terminationGracePeriodSeconds').scalar ?? DEFAULT_GRACE);
    const worst = decision(limit, timing).latest + grace;
    if (worst <= maxRestart) return undefined;
    const { periodSeconds, timeoutSeconds, failureThreshold } = timing;
    const sum = `${failureThreshold} periods of ${words(periodSeconds)}, a timeout of ${words(timeoutSeconds)}, ${words(grace)} of grace`;
    const all = limit > 0 ? `the limit of ${words(limit)}, ${sum}` : `${sum}, and the limit, which is not stated here`;
    return {
      where: value,
      message: `livenessProbe ends a wedged container after up to ${words(worst)} (${all}), and --max-restart is ${words(maxRestart)}. Write a shorter period or grace; k8s-liveness manifest --restart-within finds them`,
    };
  }),
};
