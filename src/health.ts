// The health checks that load() of a ProcessTimestamp runs.

import { LivenessError, shown } from './errors';
import { printable } from './verdict';

/**
 * A health check: answers `true` or nothing for healthy, `false` for unhealthy. It may be async, and it may throw, with
 * a message that says more than `false`. `load()` refuses a number, `null` and an empty string as an answer, because
 * they are not clear: 0 could mean error number 0 (healthy) or false (unhealthy).
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- it is called with the arguments of load()
export type Health = (...args: any[]) => unknown;

/**
 * A health check for `load()`: a function, an object with a method `health`, or the name of a CommonJS or ES module
 * that exports a function `health`. The name is a package, an absolute path, a `file:` URL, or a path that begins with
 * `.` and is relative to the working directory.
 */
export type HealthCheck = Health | { readonly health: Health } | string;

/**
 * Runs the checks one after another.
 *
 * @throws LivenessError `ERR_HEALTH_CHECK` for the first check that answers false; `ERR_ARGUMENT` for a check that is
 *   not callable, a module that is not found, or an answer that is not clear. Also whatever a check throws.
 */
export async function runChecks(checks: readonly HealthCheck[], args: readonly unknown[], path: string): Promise<void> {
  if (!Array.isArray(checks)) {
    throw new LivenessError('ERR_ARGUMENT', `load expected an array of health checks; got ${shown(checks)}`, path);
  }
  const all = checks.map((check: unknown, at) => ({ check, label: `health check ${at + 1} of ${checks.length}` }));
  for (const { check, label } of all) {
    if (typeof check !== 'string' && !healthOf(check)) {
      const expected = 'a function, an object with a method health, or a module that exports one';
      throw new LivenessError('ERR_ARGUMENT', `${label} expected ${expected}; got ${shown(check)}`, path);
    }
  }
  for (const { check, label } of all) {
    const health = typeof check === 'string' ? await loadHealth(check, label, path) : healthOf(check);
    const answer = await health?.(...args);
    const name = printable(nameOf(check));
    if (answer === false) throw new LivenessError('ERR_HEALTH_CHECK', `${label} (${name}) answered false`, path);
    if (typeof answer === 'number' || (answer !== undefined && !answer)) {
      throw new LivenessError(
        'ERR_ARGUMENT',
        `${label} (${name}) expected to answer true or false; got ${shown(answer)}`,
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

async function loadHealth(specifier: string, label: string, path: string): Promise<Health> {
  const exported = await load(resolve(specifier, label, path));
  // import() puts a CommonJS module's exports into `default`. Node makes named exports of some, but those lose `this`.
  // If the module was compiled from an ES module, there is another `default` inside.
  const defaultExport = exported.default as Exports | undefined;
  const inner = defaultExport?.__esModule === true ? defaultExport.default : undefined;
  const [holder] = [defaultExport, inner].filter(hasHealth);
  if (hasHealth(exported) && exported.health !== holder?.health) return exported.health;
  if (holder) return holder.health.bind(holder);
  const names = Object.keys(defaultExport ?? exported).join(', ');
  const found = names === '' ? 'nothing' : names.length > 60 ? `${names.slice(0, 57)}...` : names;
  throw new LivenessError(
    'ERR_ARGUMENT',
    `${label} expected that ${shown(specifier)} exports a function health; it exports ${found}`,
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
    // An ES-only package that is visible from the service but not from this library.
    if (code === 'ERR_MODULE_NOT_FOUND' && !/^(?:file|node):/.test(found)) return importFrom(process.cwd(), found);
    // In a single executable application import() finds only Node's own modules.
    if (code === 'ERR_UNKNOWN_BUILTIN_MODULE') return importFrom(process.cwd(), found);
    // In jest, import() does not work, but require does.
    if (code !== 'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG') throw error;
    return {
      default: requireFrom(process.cwd())(found.startsWith('file:') ? url().fileURLToPath(found) : found) as unknown,
    };
  }
}

/** Resolves from the service's working directory, because this library may not see the service's packages. */
function resolve(specifier: string, label: string, path: string): string {
  const folder = process.cwd();
  try {
    const isUrl = specifier.startsWith('file:');
    const found = requireFrom(folder).resolve(isUrl ? url().fileURLToPath(specifier) : specifier);
    return isUrl ? specifier : found.startsWith('/') ? url().pathToFileURL(found).href : found;
  } catch (error) {
    // An ES-only package, which require cannot resolve.
    if ((error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return specifier;
    const expected = `a package, or a path that begins with . or /, to be found from ${folder}`;
    throw new LivenessError('ERR_ARGUMENT', `${label} expected ${expected}; got ${shown(specifier)}`, path, {
      cause: error,
    });
  }
}

// These load Node's modules only when called, because a probe imports this file too.
function requireFrom(folder: string): NodeJS.Require {
  return process.getBuiltinModule('node:module').createRequire(`${folder}/health-checks.js`);
}

function importFrom(folder: string, specifier: string): Promise<Exports> {
  const { Script, constants } = process.getBuiltinModule('node:vm');
  // The only way to import from another folder. Node 20 warns that it is experimental.
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
