// Uses every public type, as a user's strict program does. scripts/types.mjs compiles it under each TypeScript.

import { ProcessTimestamp, Timestamp, probe, type Duration, type HealthCheck, type Verdict } from 'k8s-liveness';

class Unit extends ProcessTimestamp {
  override readonly maximumAge = { minutes: 2 };
}
const check: HealthCheck = (name: string) => name !== '';
const checks: HealthCheck[] = [
  check,
  './x.js',
  { health: () => Promise.resolve(true) },
  (mode: 'primary' | 'replica') => mode === 'primary',
];
void new Unit('/x', { ignoreError: true }).load(checks, 'primary', 7).then((unit: Unit) => unit.set(1).refresh());
// @ts-expect-error a number is no health check
void new ProcessTimestamp().load([7]);

class Mine extends Timestamp {
  readonly maximumAge: Duration = { minutes: 2 };
}
// @ts-expect-error there is no unit of this name
export const wrong: Duration = { minute: 2 };
export const verdict: Verdict = new Mine('/x', { clock: undefined }).refresh({ maximumAge: undefined }).verdict();
type Reason = 'missing' | 'unreadable' | 'malformed' | 'gone' | 'failed' | 'future' | 'overdue' | 'stale';
export const reason: Reason | undefined = verdict.alive ? undefined : verdict.reason;
const mine: Mine = Mine.byRef();
const any: Timestamp = Timestamp.byRef('/x');
probe(mine, any);
