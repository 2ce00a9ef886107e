import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
import { expect } from 'vitest';

/** An operation that codegen typed. */
export type Operation<Data, Variables> = DocumentTypeDecoration<Data, Variables> & { toString(): string };

export interface GraphError {
  readonly message: string;
  readonly locations?: readonly { readonly line: number; readonly column: number }[];
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string; readonly [detail: string]: unknown };
}

export interface Answer<Data> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Data | null | undefined;
  readonly errors: readonly GraphError[] | undefined;
  readonly extensions: Readonly<Record<string, unknown>> | undefined;
}

type VariablesOf<Variables> = Variables extends Record<string, never> ? [] : [variables: Variables];

/** Sends operations over real HTTP as one caller. */
export class Client {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.url = url;
    this.headers = headers;
  }

  /** The same caller with more headers. */
  with(headers: Readonly<Record<string, string>>): Client {
    return new Client(this.url, { ...this.headers, ...headers });
  }

  /** The whole answer, whatever it is. */
  async send<Data, Variables>(
    operation: Operation<Data, Variables> | string,
    variables?: Variables,
  ): Promise<Answer<Data>> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.headers },
      body: JSON.stringify({ query: operation.toString(), variables }),
    });
    const { data, errors, extensions } = (await response.json()) as Omit<Answer<Data>, 'status' | 'headers'>;
    return { status: response.status, headers: response.headers, data, errors, extensions };
  }

  /** The data of an operation that must not have errors. */
  async run<Data, Variables>(
    operation: Operation<Data, Variables>,
    ...[variables]: VariablesOf<Variables>
  ): Promise<Data> {
    const { data, errors } = await this.send(operation, variables as Variables);
    expect(errors).toBeUndefined();
    if (data === null || data === undefined) throw new Error('The answer has no data.');
    return data;
  }

  /** The errors of an operation that must fail as a whole. */
  async fail<Data, Variables>(
    operation: Operation<Data, Variables> | string,
    variables?: Variables,
  ): Promise<readonly GraphError[]> {
    const { errors } = await this.send(operation, variables);
    if (errors === undefined) throw new Error('The operation succeeded.');
    return errors;
  }
}
