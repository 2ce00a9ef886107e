import { getNamedType } from 'graphql';
import { expect } from 'vitest';
import { statementsOf } from '../../testkit/statements.ts';
import { type Caller, sees, withOtherScopes } from './callers.ts';
import { type Call, type FieldOf, idsIn, nameOf, type Reply, rowTypeOf, sendCalls } from './calls.ts';
import { allows, foundBy, isFound, type Named, nameRow, type Way } from './expected.ts';
import { foreignMarker, type Row, type World } from './world.ts';

export const batches = <Item>(items: readonly Item[], size: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

const batchSize = 60;

/** An answer without what says which row was asked for. */
const anonymous = ({ status, text }: Reply, calls: readonly Named[]): string =>
  calls.reduce((shown, { given }) => (given === '' ? shown : shown.replaceAll(given, '…')), `${status} ${text}`);

/** Sends calls as callers, and compares the answers with what they may know. */
export class Checks {
  readonly #world: World;
  readonly #isGuarded: (field: FieldOf) => boolean;
  readonly #rows: ReadonlyMap<string, Row>;

  constructor(world: World, isGuarded: (field: FieldOf) => boolean) {
    this.#world = world;
    this.#isGuarded = isGuarded;
    this.#rows = new Map(world.rows.map((row) => [row.id, row]));
  }

  /** The rows of the world that an answer names. */
  rowsIn(answer: unknown): readonly Row[] {
    return [...idsIn(answer)].flatMap((id) => this.#rows.get(id) ?? []);
  }

  /** Sends calls, and looks whether anything in the answer is not for the caller. */
  async send(caller: Caller, calls: readonly Call[]): Promise<Reply> {
    const reply = await sendCalls(caller.client, calls, this.#isGuarded);
    if (caller.bound.Tenant === undefined) return reply;
    expect(reply.text).not.toContain(foreignMarker);
    // The log of the own tenant has what its callers named in vain.
    if (calls.some(({ field }) => nameOf(field) === 'Query.auditLog')) return reply;
    const asked = idsIn(calls);
    const strange = this.rowsIn(reply.text).filter((row) => !asked.has(row.id) && !sees(caller, row));
    expect(strange).toEqual([]);
    return reply;
  }

  /** Asks as a caller who lacks scopes, and gives the answer without what says which row was asked for. */
  async refused(caller: Caller, named: Named): Promise<string> {
    const reply = await this.send(caller, [named.call]);
    expect([this.#describe(named), ...reply.codes]).toEqual([this.#describe(named), 'FORBIDDEN']);
    expect(reply.values.flat()).toEqual([null]);
    return anonymous(reply, [named]);
  }

  /** The caller itself, or with all its scopes but the ones that are needed, and with none. */
  withoutScopesOf(caller: Caller, { required }: Way): readonly [Caller, Caller?] {
    if (!allows(caller.scopes, required)) return [caller];
    const others = caller.scopes.difference(new Set(required.flat()));
    return [withOtherScopes(this.#world, caller, others), withOtherScopes(this.#world, caller, new Set())];
  }

  /** Calls that find rows give them; all others give the same bytes as when they name a row that does not exist. */
  async expectAnswers(caller: Caller, calls: readonly Named[]): Promise<void> {
    for (const isCommand of [false, true]) {
      const ofType = calls.filter(({ way }) => (way.field.type.name === 'Mutation') === isCommand);
      const finding = ofType.filter((named) => this.#expected(caller, named).length > 0);
      for (const batch of batches(finding.filter(this.#isHarmless), batchSize)) await this.#expectFound(caller, batch);
      const vain = ofType.filter((named) => this.#expected(caller, named).length === 0);
      for (const batch of batches(vain, batchSize)) await this.#expectMissing(caller, batch);
    }
  }

  /** A page has exactly these rows, and counts no others. */
  expectPage(page: unknown, rows: readonly Row[], described: string): void {
    const { totalCount, edges } = page as { totalCount: number; edges: { node: { id: string } }[] };
    const ids = edges.map(({ node }) => node.id);
    expect([described, ...ids.sort()]).toEqual([described, ...rows.map(({ id }) => id).sort()]);
    expect(totalCount).toBe(ids.length);
  }

  #expected(caller: Caller, { parent, row, way }: Named): readonly Row[] {
    return row === undefined ? [] : foundBy(this.#world, caller, way, row, parent);
  }

  readonly #isHarmless = ({ row, way }: Named): boolean =>
    row === undefined || (way.naming?.harmless?.(row, this.#world.own) ?? true);

  async #expectFound(caller: Caller, batch: readonly Named[]): Promise<void> {
    const reply = await this.send(
      caller,
      batch.map(({ call }) => call),
    );
    expect(reply.codes).toEqual([]);
    const lost = batch.filter(({ way }, index) => !isFound(way, reply.values[index]));
    expect(lost.map(this.#describe)).toEqual([]);
    for (const [index, named] of batch.entries()) {
      const { field, naming } = named.way;
      if (naming?.finds === undefined || rowTypeOf(getNamedType(field.field.type)) === undefined) continue;
      this.expectPage(reply.values[index], this.#expected(caller, named), this.#describe(named));
    }
  }

  async #expectMissing(caller: Caller, batch: readonly Named[]): Promise<void> {
    // What is named twice is missing twice: it is looked for once.
    const nowhere = new Map<string, string>();
    const absent = batch.map(({ way, given, parent }) => {
      const named = nameRow(this.#world, way, undefined, parent, nowhere.get(given));
      nowhere.set(given, named.given);
      return named;
    });
    const [[reply, work], [replyOfAbsent, workOfAbsent]] = [
      await this.#sendRecorded(caller, batch),
      await this.#sendRecorded(caller, absent),
    ];
    // So that how long it takes tells nothing either. Who has the secret of another's key knows it anyway, and what is in
    // memory is not looked up.
    const isBySecret = batch.some(({ way }) => way.naming?.by === 'secret');
    if (caller.bound.Tenant !== undefined && !isBySecret) expect(work).toEqual(workOfAbsent);
    expect(replyOfAbsent.codes).toEqual([]);
    const found = absent.filter(({ way }, index) => isFound(way, replyOfAbsent.values[index]));
    expect(found.map(this.#describe)).toEqual([]);
    const shown = (value: unknown, given = ''): string => JSON.stringify(value).replaceAll(given, '…');
    const differing = batch.filter(
      ({ given }, index) =>
        shown(reply.values[index], given) !== shown(replyOfAbsent.values[index], absent[index]?.given),
    );
    expect(differing.map(this.#describe)).toEqual([]);
    expect(anonymous(reply, batch)).toBe(anonymous(replyOfAbsent, absent));
  }

  /** With the statements that the answer took, in no order. */
  async #sendRecorded(caller: Caller, batch: readonly Named[]): Promise<readonly [Reply, readonly string[]]> {
    let reply: Reply | undefined;
    const statements = await statementsOf(this.#world.app, async () => {
      reply = await this.send(
        caller,
        batch.map(({ call }) => call),
      );
    });
    if (reply === undefined) throw new Error('Nothing was sent.');
    return [reply, statements.toSorted()];
  }

  readonly #describe = ({ way, row, parent }: Named): string => {
    const names = (ids: readonly string[]) => ids.map((id) => this.#rows.get(id)?.text ?? id).join(' and ');
    const owners = Object.entries(row?.of ?? {}).map(([type, ids]) => `${type} ${names(ids)}`);
    const of = parent === undefined ? '' : ` of ${parent.text}`;
    return `${nameOf(way.field)}${of} ${way.path ?? ''} ${row?.type ?? 'missing'} ${row?.text ?? ''} (${owners.join(', ')})`;
  };
}
