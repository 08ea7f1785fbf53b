/** Whether every test and every row must run: in `npm run test:all`. */
export const WIDE = process.env.LIVENESS_WIDE === '1';

/**
 * `describe` if the tests have what they need, otherwise `describe.skip` and a line that says why. Under
 * `LIVENESS_NO_SKIP=1` a skip is a failure.
 *
 * @param what what the tests need and how to get it, e.g. "xz (apt-get install xz-utils)"
 */
export function describeIf(present: boolean, what: string): jest.Describe {
  if (present) return describe;
  if (process.env.LIVENESS_NO_SKIP === '1') throw new Error(`missing: ${what}`);
  process.stderr.write(`skipped: missing ${what}\n`);
  return describe.skip;
}
