/** Whether nothing may be left out: `npm run test:all`. */
export const WIDE = process.env.LIVENESS_WIDE === '1';

/**
 * `describe` where what the tests need is there, else `describe.skip` with a line saying why. Under
 * `LIVENESS_NO_SKIP=1` a skip is a failure.
 *
 * @param what what is missing and how to get it, e.g. "xz (apt-get install xz-utils)"
 */
export function describeIf(present: boolean, what: string): jest.Describe {
  if (present) return describe;
  if (process.env.LIVENESS_NO_SKIP === '1') throw new Error(`missing: ${what}`);
  process.stderr.write(`skipped: missing ${what}\n`);
  return describe.skip;
}
