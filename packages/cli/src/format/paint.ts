import type { State } from '@drover/contract';
import { styleText } from 'node:util';

/** How a text is meant; what that looks like is decided in one place. */
export type Style = 'good' | 'bad' | 'warn' | 'busy' | 'dim' | 'strong';

export type Paint = (text: string, style: Style | undefined) => string;

const LOOKS = { good: 'green', bad: 'red', warn: 'yellow', busy: 'cyan', dim: 'dim', strong: 'bold' } as const;

export const plain: Paint = (text) => text;

/** @param color as decided from the terminal and NO_COLOR */
export function painter(color: boolean): Paint {
  if (!color) return plain;
  return (text, style) => (style === undefined || text === '' ? text : styleText(LOOKS[style], text, { validateStream: false }));
}

const STYLES: Readonly<Record<State, Style>> = {
  Failed: 'bad',
  Unknown: 'warn',
  NotReady: 'bad',
  Progressing: 'busy',
  Waiting: 'warn',
  Ready: 'good',
};

export function styleOf(state: State): Style {
  return STYLES[state];
}
