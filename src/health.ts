// Health checks: what load() of a ProcessTimestamp runs before it says that the process is there.

import { LivenessError, shown } from './errors';

/** Answers `false` where what it looks at is not healthy; may be async; may throw, which says more. */
export type Health<Args extends readonly unknown[]> = (...args: Args) => unknown;

/**
 * A function, an object with a method `health`, or the specifier of a module that exports one: a package, an absolute
 * path, a `file:` URL, or a path that begins with `.` and is relative to the working directory; CommonJS or ES.
 */
export type HealthCheck<Args extends readonly unknown[] = readonly never[]> = Health<Args> | { readonly health: Health<Args> } | string;

/**
 * Runs the checks, each after the one before it has answered.
 *
 * @throws LivenessError `ERR_HEALTH_CHECK` for the first that answers false, `ERR_ARGUMENT` for what is no check or no
 *   module; and whatever a check throws, untouched.
 */
export async function runChecks(checks: readonly HealthCheck[], args: readonly unknown[], path: string): Promise<void> {
  if (!Array.isArray(checks)) {
    throw new LivenessError('ERR_ARGUMENT', `load expected an array of health checks; got ${shown(checks)}`, path);
  }
  const all = checks.map((check: unknown, at) => ({ check, what: `health check ${at + 1} of ${checks.length}` }));
  for (const { check, what } of all) {
    if (typeof check !== 'string' && !healthOf(check)) {
      const expected = 'a function, an object with a method health, or a module that exports one';
      throw new LivenessError('ERR_ARGUMENT', `${what} expected ${expected}; got ${shown(check)}`, path);
    }
  }
  for (const { check, what } of all) {
    const health = typeof check === 'string' ? await loadHealth(check, what, path) : healthOf(check);
    if ((await health?.(...args)) === false) {
      throw new LivenessError('ERR_HEALTH_CHECK', `${what} (${nameOf(check)}) answered false`, path);
    }
  }
}

type AnyHealth = Health<readonly unknown[]>;

function healthOf(check: unknown): AnyHealth | undefined {
  if (hasHealth(check)) return check.health.bind(check);
  return typeof check === 'function' ? (check as AnyHealth) : undefined;
}

function hasHealth(value: unknown): value is { readonly health: AnyHealth } {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isObject && 'health' in value && typeof value.health === 'function';
}

function nameOf(check: unknown): string {
  if (typeof check === 'string') return check;
  const { name } = check as { readonly name?: unknown };
  if (typeof name === 'string' && name !== '') return name;
  if (typeof check === 'function') return 'anonymous function';
  const Class = (check as { readonly constructor?: { readonly name?: unknown } }).constructor?.name;
  return typeof Class === 'string' && Class !== 'Object' ? Class : 'object';
}

async function loadHealth(specifier: string, what: string, path: string): Promise<AnyHealth> {
  const exported = (await import(resolve(specifier, what, path))) as { readonly default?: unknown };
  const { default: whole } = exported;
  // What a CommonJS module exports stands under default; Node finds only some of its names, and calls them without it.
  const isCommonJs = hasHealth(whole) && (!hasHealth(exported) || whole.health === exported.health);
  if (isCommonJs) return whole.health.bind(whole);
  if (hasHealth(exported)) return exported.health;
  const names = Object.keys(exported).join(', ');
  throw new LivenessError('ERR_ARGUMENT', `${what} expected that ${specifier} exports a function health; it exports ${names || 'nothing'}`, path);
}

/** From the service's working directory, not from ours: its packages need not be visible from here. */
function resolve(specifier: string, what: string, path: string): string {
  if (specifier.startsWith('file:')) return specifier;
  // Loaded only here: a probe imports this file too and never needs them.
  /* eslint-disable @typescript-eslint/no-require-imports */
  const { createRequire } = require('node:module') as typeof import('node:module');
  const { pathToFileURL } = require('node:url') as typeof import('node:url');
  /* eslint-enable */
  const folder = process.cwd();
  try {
    const found = createRequire(`${folder}/health-checks.js`).resolve(specifier);
    return found.startsWith('/') ? pathToFileURL(found).href : found;
  } catch (error) {
    // A package for import alone, which require may not resolve.
    if ((error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return specifier;
    throw new LivenessError('ERR_ARGUMENT', `${what} expected a module to be found from ${folder}; got ${shown(specifier)}`, path, {
      cause: error,
    });
  }
}
