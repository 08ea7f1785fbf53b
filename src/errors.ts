/**
 * What went wrong:
 *
 * - `ERR_MAXIMUM_AGE`: the `maximumAge` is not a limit: 0, NaN, `{}`, `'2m'` or missing; or Infinity for a step or a
 *   task.
 * - `ERR_ARGUMENT`: another argument is wrong.
 * - `ERR_READ_ONLY`: a method that writes was called on a view, which `byRef` made.
 * - `ERR_HEARTBEAT_IN_USE`: another living writer beats this file or directory.
 * - `ERR_HEARTBEAT_WRITE`: a first beat, a pid or an error number could not be written, or a file could not be removed.
 * - `ERR_HEALTH_CHECK`: a health check given to `load()` answered false.
 * - `ERR_NOT_LOADED`: a `ProcessTimestamp` was asked to write before its `load()` had succeeded or after `reset()`; or
 *   `reset()` or another `load()` was called while `load()` ran its checks.
 */
export type ErrorCode =
  | 'ERR_MAXIMUM_AGE'
  | 'ERR_ARGUMENT'
  | 'ERR_READ_ONLY'
  | 'ERR_HEARTBEAT_IN_USE'
  | 'ERR_HEARTBEAT_WRITE'
  | 'ERR_HEALTH_CHECK'
  | 'ERR_NOT_LOADED';

/**
 * A wrong call, or a write or removal that failed. A dead service is never an error: it is a {@link Verdict}.
 *
 * @example
 * ```ts
 * try {
 *   WorkerTimestamp.byRef().refresh();
 * } catch (error) {
 *   (error as LivenessError).code; // => 'ERR_READ_ONLY'
 * }
 * ```
 */
export class LivenessError extends Error {
  /** Always `LivenessError`. */
  override readonly name = 'LivenessError';

  constructor(
    /** What went wrong. */
    readonly code: ErrorCode,
    message: string,
    /** The heartbeat file or process directory, if the error is about one. */
    readonly path?: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** A wrong value for an error message: short, on one line, with its type. */
export function shown(value: unknown): string {
  // Loaded only here, so that a probe starts faster.
  const { inspect } = process.getBuiltinModule('node:util');
  const type = Array.isArray(value) ? 'array' : typeof value;
  const text = inspect(value, { depth: 1, compact: true, breakLength: Infinity }).replaceAll('\n', ' ');
  return `${text.length > 60 ? `${text.slice(0, 57)}...` : text} (${type})`;
}
