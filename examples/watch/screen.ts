import type { WriteStream } from 'node:tty';

export interface Size {
  /** Infinity where nothing is cut, as are rows. */
  readonly columns: number;
  readonly rows: number;
}

/** Sequences that terminals know. */
const codes = {
  enter: '\u001b[?1049h\u001b[?25l',
  leave: '\u001b[?25h\u001b[?1049l',
  home: '\u001b[H',
  clearLine: '\u001b[K',
  clearBelow: '\u001b[J',
} as const;

/** No more pictures than eyes can follow, also when two subscriptions bring something at the same moment. */
const minGapMs = 50;

/** Draws lines over those of before. Without a terminal it prints one picture below the other. */
export class Screen {
  readonly #output: WriteStream;
  readonly #lines: (size: Size) => readonly string[];
  #isOpen = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(output: WriteStream, lines: (size: Size) => readonly string[]) {
    this.#output = output;
    this.#lines = lines;
  }

  /** Takes the terminal, which is given back as it was when the program ends. */
  open(): void {
    if (!this.#output.isTTY) return;
    this.#isOpen = true;
    this.#output.write(codes.enter);
    this.#output.on('resize', () => this.draw());
    process.once('exit', () => this.close());
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit());
    this.draw();
  }

  close(): void {
    clearTimeout(this.#timer);
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#output.write(codes.leave);
  }

  /** Draws soon. */
  draw(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#isOpen) this.#redraw();
      else this.print();
    }, minGapMs);
  }

  /** Prints one picture as it is, however long, and where it is no terminal, however wide. */
  print(): void {
    const size = { columns: this.#output.columns ?? Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };
    this.#output.write(`${this.#lines(size).join('\n')}\n`);
  }

  #redraw(): void {
    const { columns, rows } = this.#output;
    const lines = this.#lines({ columns, rows }).map((line) => `${line}${codes.clearLine}`);
    this.#output.write(`${codes.home}${lines.join('\r\n')}${codes.clearBelow}`);
  }
}
