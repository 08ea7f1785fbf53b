/**
 * What went wrong, for code to branch on:
 *
 * - `ERR_MAXIMUM_AGE`: a `maximumAge` that is no limit (0, NaN, `{}`, `'2m'`, missing).
 * - `ERR_ARGUMENT`: any other argument that cannot be meant.
 * - `ERR_READ_ONLY`: a method that writes, on a view made by `byRef`.
 * - `ERR_HEARTBEAT_IN_USE`: the first beat found a file that a living writer beats.
 * - `ERR_HEARTBEAT_WRITE`: a first beat, a pid or an error number could not be recorded, or could not be removed.
 * - `ERR_HEALTH_CHECK`: a health check given to `load()` answered false.
 * - `ERR_NOT_LOADED`: `refresh()` or `set()` of a `ProcessTimestamp` before `load()` or after `reset()`.
 */
export type ErrorCode =
  | 'ERR_MAXIMUM_AGE'
  | 'ERR_ARGUMENT'
  | 'ERR_READ_ONLY'
  | 'ERR_HEARTBEAT_IN_USE'
  | 'ERR_HEARTBEAT_WRITE'
  | 'ERR_HEALTH_CHECK'
  | 'ERR_NOT_LOADED';

/** Misuse, or a first beat that failed. A dead service is never an error: it is a {@link Verdict}. */
export class LivenessError extends Error {
  override readonly name = 'LivenessError';

  constructor(
    /** Which mistake it is. */
    readonly code: ErrorCode,
    message: string,
    /** The heartbeat file or process directory it is about, where there is one. */
    readonly path?: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The value as a refusal shows it: short, on one line, with its type. */
export function shown(value: unknown): string {
  // Loaded only for a mistake: a probe starts without it.
  const { inspect } = process.getBuiltinModule('node:util');
  const type = Array.isArray(value) ? 'array' : typeof value;
  const text = inspect(value, { depth: 1, compact: true, breakLength: Infinity }).replaceAll('\n', ' ');
  return `${text.length > 60 ? `${text.slice(0, 57)}...` : text} (${type})`;
}
