/** A bound for what may never answer: a module's file, a script, somebody else's function. */

/** Longer than the edge waits for a gateway (10 s), so that it can say what it knows. */
export const PATIENCE_MS = 12_000;

/** As `promise`, but rejects when that time has passed. What it does then is nobody's any more. */
export function within<Value>(promise: Promise<Value>, ms = PATIENCE_MS): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
