/** Resolves when all that can run without the world has run: promises resolve before the event loop turns. */
export function drained(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
