import { LivenessError } from '../../src';

/** The LivenessError that `act` throws. */
export function thrown(act: () => unknown): LivenessError {
  try {
    act();
  } catch (error) {
    if (error instanceof LivenessError) return error;
    throw error;
  }
  throw new Error('expected a LivenessError; nothing was thrown');
}
