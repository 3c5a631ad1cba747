/** What makes one document unreadable. */
export class YamlFault extends Error {
  /** Offset in the text that was read. */
  readonly index: number;
  /** Offset of the place the message calls `{first}`. */
  readonly first: number | undefined;

  constructor(message: string, index: number, first?: number) {
    super(message);
    this.name = 'YamlFault';
    this.index = index;
    this.first = first;
  }
}
