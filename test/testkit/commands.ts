import {
  type GraphQLNamedOutputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { expect } from 'vitest';
import type { Answer, Client } from './client.ts';

export type CommandInput = Readonly<Record<string, unknown>>;

/** The answer of any command, with every value that it can hold. */
export interface CommandAnswer {
  readonly __typename: string;
  readonly code?: string;
  readonly message?: string;
  readonly path?: readonly string[];
  readonly issues?: readonly { readonly rule: string; readonly message: string; readonly path: readonly string[] }[];
  readonly [field: string]: unknown;
}

const selectionDepthMax = 5;

/** Sends any command of a schema by its name, and asks for the whole answer: for tests that run over all of them. */
export class Commands {
  readonly #schema: GraphQLSchema;

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /** The names of all commands that change configuration: those that take an idempotency key. */
  get names(): readonly string[] {
    return this.#namesWhere(true);
  }

  /** The names of all others, which are part of running. */
  get runtimeNames(): readonly string[] {
    return this.#namesWhere(false);
  }

  /** The types that the command can answer with. */
  answersOf(name: string): readonly string[] {
    return this.#membersOf(name).map((member) => member.name);
  }

  /** The whole answer, whatever it is. */
  send(client: Client, name: string, input: CommandInput): Promise<Answer<{ readonly answer: CommandAnswer }>> {
    const typeName = name.charAt(0).toUpperCase() + name.slice(1);
    const members = this.#membersOf(name).map((member) => `... on ${member.name} ${this.#selectAll(member)}`);
    return client.send(
      `mutation ($input: ${typeName}Input!) { answer: ${name}(input: $input) { __typename ${members.join(' ')} } }`,
      { input },
    );
  }

  /** The payload or the user error of a command whose request is well formed. */
  async run(client: Client, name: string, input: CommandInput): Promise<CommandAnswer> {
    const { data, errors } = await this.send(client, name, input);
    expect(errors).toBeUndefined();
    if (!data) throw new Error('The answer has no data.');
    return data.answer;
  }

  /** The payload or the user error, for callers who may not read all of it: what they may not is null. */
  async runPartly(client: Client, name: string, input: CommandInput): Promise<CommandAnswer> {
    const { data, errors } = await this.send(client, name, input);
    if (!data) throw new Error(`The answer has no data: ${JSON.stringify(errors)}`);
    return data.answer;
  }

  #namesWhere(takesKey: boolean): readonly string[] {
    return Object.values(this.#schema.getMutationType()?.getFields() ?? {})
      .filter(({ args }) => {
        const input = getNamedType(args[0]?.type);
        return (isInputObjectType(input) && 'idempotencyKey' in input.getFields()) === takesKey;
      })
      .map(({ name }) => name);
  }

  #membersOf(name: string): readonly GraphQLObjectType[] {
    const type = getNamedType(this.#schema.getMutationType()?.getFields()[name]?.type);
    if (!isUnionType(type)) throw new Error(`${name} is no command.`);
    return type.getTypes();
  }

  /** Every value of a type and of what it refers to, apart from lists that take arguments. */
  #selectAll(type: GraphQLNamedOutputType, depth = 1, beside: readonly GraphQLObjectType[] = []): string {
    if (isInterfaceType(type)) {
      const members = this.#schema.getPossibleTypes(type);
      const selections = members.map((member) => `... on ${member.name} ${this.#selectAll(member, depth, members)}`);
      return `{ __typename ${selections.join(' ')} }`;
    }
    if (!isObjectType(type)) throw new Error(`${type.name} has no fields.`);
    const fields = Object.values(type.getFields()).flatMap((field) => {
      const fieldType = getNamedType(field.type);
      if (isLeafType(fieldType)) return [field.name];
      const skipped = field.args.length > 0 || depth === selectionDepthMax;
      if (skipped) return [];
      // Where another type has a value under this name, an operation can have one of the two only.
      const isTaken = beside.some((other) => isLeafType(getNamedType(other.getFields()[field.name]?.type)));
      const alias = isTaken ? `${field.name}Of${type.name}: ` : '';
      return [`${alias}${field.name} ${this.#selectAll(fieldType, depth + 1)}`];
    });
    return `{ ${fields.join(' ')} }`;
  }
}
