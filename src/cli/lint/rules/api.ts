// What the API server refuses: its validation, and kubectl's strict decoding.

import { basename } from 'node:path';
import type { Value } from '../documents';
import type { Fault, Rule } from '../rule';

export const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc'];
const NUMBERS = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold', 'terminationGracePeriodSeconds']; // prettier-ignore

export const refused: Rule = {
  id: 'refused-by-api',
  severity: 'error',
  describe: 'The API server refuses the probe',
  isForAll: true,
  check: function* ({ value, role, probes, name }) {
    for (const [key, where] of value.entries) {
      if (/probe$/i.test(key) && !/^(?:startup|liveness|readiness)Probe$/.test(key))
        yield {
          where,
          message: `a container has no field ${key}: write startupProbe, livenessProbe or readinessProbe`,
        };
    }
    for (const { kind, value } of probes) {
      if (role === 'init' || role === 'ephemeral') {
        const instead = role === 'init' ? ', unless its restartPolicy is Always' : '';
        yield {
          where: value,
          message: `${kind}Probe in ${name}: ${role} containers have no probes${instead}. Take it away`,
        };
      }
      for (const { where, message } of faultsOf(kind, value)) yield { where, message: `${kind}Probe: ${message}` };
    }
  },
};

function* faultsOf(kind: string, probe: Value): Iterable<Fault> {
  if (!probe.isMap) {
    yield { where: probe, message: 'expected a map with exec, httpGet, tcpSocket or grpc' };
    return;
  }
  for (const [key, where] of probe.entries) {
    if (![...HANDLERS, ...NUMBERS].includes(key)) {
      const isHandler = key === 'command' || key === 'path' || key === 'port';
      const parent = key === 'command' ? 'exec' : 'httpGet';
      yield { where, message: `has no field ${key}${isHandler ? `: write ${parent}: { ${key}: ... }` : ''}` };
    }
  }
  const handlers = HANDLERS.filter(
    (name) => probe.get(name).isPresent || probe.get(name).isMap || probe.get(name).isList,
  );
  if (handlers.length !== 1) {
    const given = handlers.length === 0 ? 'none' : handlers.join(' and ');
    yield { where: probe, message: `expected exactly one of ${HANDLERS.join(', ')}; got ${given}` };
  }
  yield* numbersOf(kind, probe);
  yield* commandFaults(probe.get('exec'));
  for (const name of ['httpGet', 'tcpSocket', 'grpc']) {
    const handler = probe.get(name);
    const where = handler.get('port');
    if (handler.isMap && !where.isPresent) yield { where, message: `${name} needs a port` };
  }
}

function* numbersOf(kind: string, probe: Value): Iterable<Fault> {
  for (const key of NUMBERS) {
    const where = probe.get(key);
    if (!where.isPresent) continue;
    const number = where.scalar;
    if (!Number.isInteger(number)) {
      yield { where, message: `${key} expected a whole number of at least 0 without a unit; got ${String(where)}` };
    } else if (Number(number) < 0) {
      yield { where, message: `${key} expected at least 0; got ${String(number)}` };
    } else if (key === 'successThreshold' && kind !== 'readiness' && Number(number) > 1) {
      yield { where, message: `${key} must be 1, except for readinessProbe; got ${String(number)}` };
    } else if (key === 'terminationGracePeriodSeconds' && kind === 'readiness') {
      yield { where, message: `${key} is for liveness and startup only, because readiness ends nothing` };
    } else if (key === 'terminationGracePeriodSeconds' && number === 0) {
      yield { where, message: `${key} expected at least 1; got 0` };
    }
  }
}

function* commandFaults(exec: Value): Iterable<Fault> {
  if (!exec.isMap && !exec.isPresent) return;
  const where = exec.get('command');
  if (!where.isList) {
    const shown = where.text === undefined ? '' : `; got ${String(where)}`;
    yield {
      where,
      message: `exec.command expected a list of words, such as ["${basename(where.text ?? 'sh')
        .split(' ')
        .join('", "')}"]${shown}`,
    };
    return;
  }
  if (where.items.length === 0) yield { where, message: 'exec.command is empty' };
  for (const word of where.items) {
    if (word.text === undefined && word.scalar !== null)
      yield { where: word, message: `exec.command expected strings; got ${String(word)}: write it in quotes` };
  }
}
