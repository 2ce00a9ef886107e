/** Who is to be told of what, by topic. */
export class Listeners<Event extends { readonly topic: string }> {
  readonly #byTopic = new Map<string, Set<(event: Event) => void>>();

  /** Adds a listener; the returned function removes it. */
  add(topic: string, listener: (event: Event) => void): () => void {
    const listeners = this.#byTopic.get(topic) ?? new Set();
    this.#byTopic.set(topic, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#byTopic.get(topic) === listeners) this.#byTopic.delete(topic);
    };
  }

  /** Tells every listener of the event's topic, also when one of them fails. */
  tell(event: Event, onFailure: (error: unknown) => void): void {
    for (const listener of this.#byTopic.get(event.topic) ?? []) {
      try {
        listener(event);
      } catch (error) {
        onFailure(error);
      }
    }
  }

  count(topic: string): number {
    return this.#byTopic.get(topic)?.size ?? 0;
  }
}
