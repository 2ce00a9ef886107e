/** Looks at everything there is, a part at each call and again from the start when all of it was looked at. */
export class Rounds<Item> {
  readonly #all: () => Iterator<Item>;
  #rest: Iterator<Item> | undefined;

  /** @param all may go on while items come and go */
  constructor(all: () => Iterator<Item>) {
    this.#all = all;
  }

  /** So many of those that come next; fewer where the round ends. */
  *next(atMost: number): Iterable<Item> {
    this.#rest ??= this.#all();
    for (let count = 0; count < atMost; count += 1) {
      const { value, done } = this.#rest.next();
      if (done) {
        this.#rest = undefined;
        return;
      }
      yield value;
    }
  }
}
