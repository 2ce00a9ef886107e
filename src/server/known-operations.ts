import type { DocumentNode, OperationTypeNode } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import type { Interpret } from './compiled-queries.ts';

/** An operation that was parsed and validated, within every limit on operations. */
export interface KnownOperation {
  readonly document: DocumentNode;
  readonly type: OperationTypeNode;
  readonly interpret: Interpret;
}

const documentsMax = 1_000;

/** Of all documents that are known. One document may have a tenth of it. */
const charactersMax = 4_000_000;

/** Operations by the text of their document and their name. */
export class KnownOperations {
  readonly #documents = new LRUCache<string, Map<string, KnownOperation>>({
    max: documentsMax,
    maxSize: charactersMax,
    maxEntrySize: charactersMax / 10,
    sizeCalculation: (_operations, text) => text.length || 1,
  });

  find({ query, operationName }: { readonly query: string; readonly operationName?: string | null }) {
    return this.#documents.get(query)?.get(operationName ?? '');
  }

  add({ query, operationName }: GraphQLParams, operation: KnownOperation): void {
    if (query === undefined) return;
    const operations = this.#documents.get(query) ?? new Map<string, KnownOperation>();
    operations.set(operationName ?? '', operation);
    this.#documents.set(query, operations);
  }
}
