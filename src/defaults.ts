// Where things stand unless a path is given: the environment decides, for writers and probes alike.

/**
 * Where a heartbeat stands unless a path is given: `LIVENESS_PATH`, else `/tmp/liveness/timestamp`. An exec probe
 * inherits the container's environment, so the variable moves writer and probe together.
 */
// An empty variable counts as unset: that is how a manifest clears one.
// eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing
export const TIMESTAMP_PATH: string = process.env.LIVENESS_PATH || '/tmp/liveness/timestamp';

/**
 * Where a process directory stands unless one is given: `LIVENESS_UNIT_NAME`, else the host's name, below
 * `LIVENESS_RUNDIR`, else `/run`.
 */
export function processDirectory(): string {
  const { LIVENESS_RUNDIR, LIVENESS_UNIT_NAME } = process.env;
  /* eslint-disable @typescript-eslint/prefer-nullish-coalescing -- empty is unset, as above */
  return `${LIVENESS_RUNDIR || '/run'}/${LIVENESS_UNIT_NAME || hostname()}`;
  /* eslint-enable */
}

function hostname(): string {
  // Loaded only here: a probe of a heartbeat starts without it.
  return process.getBuiltinModule('node:os').hostname();
}
