import { DroverError } from '@drover/contract';
import type { Context } from './context.ts';

const EVERY_MS = 1000;
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

/**
 * Shows a text again whenever it changes, until it is interrupted: on a terminal in place, else one after another. A hub
 * that cannot be reached is told, and asked again.
 */
export async function watch(context: Context, produce: () => Promise<string>): Promise<void> {
  let shown: string | undefined;
  while (!context.signal.aborted) {
    const text = await produce().catch((thrown: unknown) => {
      const error = DroverError.from(thrown, 'drover');
      if (error.code !== 'HUB_UNREACHABLE') throw thrown;
      return `${error.message}\n`;
    });
    if (context.signal.aborted) return;
    if (text !== shown) context.out(context.columns === undefined ? `${shown === undefined ? '' : '\n'}${text}` : CLEAR + text);
    shown = text;
    await context.sleep(EVERY_MS);
  }
}
