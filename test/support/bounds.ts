export interface Timing {
  /** The limit, maximumAge. */
  readonly A: number;
  /** periodSeconds */
  readonly P: number;
  /** failureThreshold */
  readonly F: number;
  /** timeoutSeconds */
  readonly T: number;
}

/** Seconds after the last written beat, as seen under kubelets 1.20.2 and 1.34.9: no stall shorter than one restarts, a wedge is decided by the other. */
export function bounds({ A, P, F, T }: Timing): { stall: number; wedge: number } {
  if (T > P) throw new Error(`expected a timeout of at most the period, ${P} s; got ${T} s`);
  return { stall: A + (F - 1) * P - T, wedge: A + F * P + T };
}
