// The default paths, from the environment: the same for writers and probes.

/**
 * The default path of a heartbeat: `LIVENESS_PATH`, else `/tmp/liveness/timestamp`. An exec probe inherits the
 * container's environment, so the variable moves writer and probe together.
 */
// An empty variable counts as unset, because a manifest can clear a variable only by making it empty.
// eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing
export const TIMESTAMP_PATH: string = process.env.LIVENESS_PATH || '/tmp/liveness/timestamp';

/**
 * The default process directory: its name is `LIVENESS_UNIT_NAME`, else the host name; its folder is `LIVENESS_RUNDIR`,
 * else `/run`.
 */
export function processDirectory(env = process.env): string {
  const { LIVENESS_RUNDIR, LIVENESS_UNIT_NAME } = env;
  /* eslint-disable @typescript-eslint/prefer-nullish-coalescing -- empty counts as unset, as above */
  return `${LIVENESS_RUNDIR || '/run'}/${LIVENESS_UNIT_NAME || hostname()}`;
  /* eslint-enable */
}

function hostname(): string {
  // Loaded only here, so that a probe of a heartbeat starts faster.
  return process.getBuiltinModule('node:os').hostname();
}
