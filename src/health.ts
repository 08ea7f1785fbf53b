// Health checks: what load() of a ProcessTimestamp runs before it says that the process is there.

import { LivenessError, shown } from './errors';
import { printable } from './verdict';

/**
 * Answers `true`, or nothing, if what it looks at is healthy, and `false` if it is not. May be async. May throw, which says
 * more. A number, `null` or an empty string is refused: 0 is healthy as an error number, and not healthy as a truth value.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- takes whatever load() is given for it
export type Health = (...args: any[]) => unknown;

/**
 * A function, an object with a method `health`, or the specifier of a module that exports one: a package, an absolute
 * path, a `file:` URL, or a path that begins with `.` and is relative to the working directory; CommonJS or ES.
 */
export type HealthCheck = Health | { readonly health: Health } | string;

/**
 * Runs the checks, each after the one before it has answered.
 *
 * @throws LivenessError `ERR_HEALTH_CHECK` for the first that answers false, `ERR_ARGUMENT` for what is no check, no module or
 *   no clear answer; and whatever a check throws, untouched.
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
    const answer = await health?.(...args);
    const name = printable(nameOf(check));
    if (answer === false) throw new LivenessError('ERR_HEALTH_CHECK', `${what} (${name}) answered false`, path);
    if (typeof answer === 'number' || (answer !== undefined && !answer)) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `${what} (${name}) expected to answer true or false; got ${shown(answer)}`,
        path,
      );
    }
  }
}

function healthOf(check: unknown): Health | undefined {
  if (hasHealth(check)) return check.health.bind(check);
  return typeof check === 'function' ? (check as Health) : undefined;
}

function hasHealth(value: unknown): value is { readonly health: Health } {
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

async function loadHealth(specifier: string, what: string, path: string): Promise<Health> {
  const exported = await load(resolve(specifier, what, path));
  // What a CommonJS module exports stands under default; Node finds only some of its names, and calls them without it.
  // Compiled from an ES module, it has a default of its own.
  const whole = exported.default as Exports | undefined;
  const [own] = [whole, whole?.__esModule === true ? whole.default : undefined].filter(hasHealth);
  if (hasHealth(exported) && exported.health !== own?.health) return exported.health;
  if (own) return own.health.bind(own);
  const names = Object.keys(whole ?? exported).join(', ');
  const found = names === '' ? 'nothing' : names.length > 60 ? `${names.slice(0, 57)}...` : names;
  throw new LivenessError(
    'ERR_ARGUMENT',
    `${what} expected that ${shown(specifier)} exports a function health; it exports ${found}`,
    path,
  );
}

interface Exports {
  readonly default?: unknown;
  readonly __esModule?: unknown;
}

async function load(found: string): Promise<Exports> {
  try {
    // The comment tells webpack, rspack and ncc to leave this import to Node.
    return (await import(/* webpackIgnore: true */ found)) as Exports;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A package for import alone, which cannot be seen from where this library is installed.
    if (code === 'ERR_MODULE_NOT_FOUND' && !/^(?:file|node):/.test(found)) return importFrom(process.cwd(), found);
    // In a single executable, where import() finds modules of Node's alone.
    if (code === 'ERR_UNKNOWN_BUILTIN_MODULE') return importFrom(process.cwd(), found);
    // In jest, which loads CommonJS modules all the same.
    if (code !== 'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG') throw error;
    return {
      default: requireFrom(process.cwd())(found.startsWith('file:') ? url().fileURLToPath(found) : found) as unknown,
    };
  }
}

/** From the service's working directory, not from ours: its packages need not be visible from here. */
function resolve(specifier: string, what: string, path: string): string {
  const folder = process.cwd();
  try {
    const isUrl = specifier.startsWith('file:');
    const found = requireFrom(folder).resolve(isUrl ? url().fileURLToPath(specifier) : specifier);
    return isUrl ? specifier : found.startsWith('/') ? url().pathToFileURL(found).href : found;
  } catch (error) {
    // A package for import alone, which require may not resolve.
    if ((error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return specifier;
    const expected = `a package, or a path that begins with . or /, to be found from ${folder}`;
    throw new LivenessError('ERR_ARGUMENT', `${what} expected ${expected}; got ${shown(specifier)}`, path, {
      cause: error,
    });
  }
}

// Loaded only here: a probe imports this file too and never needs them.
function requireFrom(folder: string): NodeJS.Require {
  return process.getBuiltinModule('node:module').createRequire(`${folder}/health-checks.js`);
}

function importFrom(folder: string, specifier: string): Promise<Exports> {
  const { Script, constants } = process.getBuiltinModule('node:vm');
  // The only way to import from another folder than one's own. Node 20 calls it experimental, and warns.
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const load = new Script('(specifier) => import(specifier)', {
    filename: `${folder}/health-checks.js`,
    importModuleDynamically,
  });
  return (load.runInThisContext() as (specifier: string) => Promise<Exports>)(specifier);
}

function url(): typeof import('node:url') {
  return process.getBuiltinModule('node:url');
}
