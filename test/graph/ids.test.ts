import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAnyId, decodeId, encodeId, idPrefixes, type NodeType, newId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';

const types = Object.keys(idPrefixes) as NodeType[];
const sample = 'tnt_01h455vb4pex5vsknk084sn02q';

describe('an id', () => {
  it('is its type and its UUID, and comes back as both', () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uuid(), (type, uuid) => {
        const id = encodeId(type, uuid);
        expect(id).toMatch(new RegExp(`^${idPrefixes[type]}_[0-7][0-9a-hjkmnp-tv-z]{25}$`));
        expect(decodeAnyId(id)).toEqual({ type, uuid });
        expect(decodeId(type, id)).toBe(uuid);
      }),
    );
  });

  it('has a prefix that no other type has', () => {
    expect(new Set(Object.values(idPrefixes)).size).toBe(types.length);
  });

  it('sorts by the time of its making, in both of its forms', () => {
    const uuids = Array.from({ length: 200 }, newId);
    expect(uuids.toSorted()).toEqual(uuids);
    const ids = uuids.map((uuid) => encodeId('Tenant', uuid));
    expect(ids.toSorted()).toEqual(ids);
  });

  it('of another type is refused by name', () => {
    expect(() => decodeId('Tenant', encodeId('FairshareGroup', newId()))).toThrow(
      /is the id of a FairshareGroup; a Tenant is wanted, whose ids begin with tnt_\./,
    );
  });

  it.each([
    ['nothing', ''],
    ['a prefix alone', 'tnt'],
    ['a prefix without more', 'tnt_'],
    ['no prefix', '_01h455vb4pex5vsknk084sn02q'],
    ['a UUID', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['a prefix of nobody', 'xyz_01h455vb4pex5vsknk084sn02q'],
    ['a prefix in upper case', sample.toUpperCase()],
    ['digits in upper case', sample.replace('h', 'H')],
    ['one digit less', sample.slice(0, -1)],
    ['one digit more', `${sample}0`],
    ['a letter that is no digit', sample.replace('h', 'u')],
    ['more than 128 bits', 'tnt_81h455vb4pex5vsknk084sn02q'],
    ['spaces around it', ` ${sample} `],
    ['two prefixes', `tnt_${sample}`],
    ['what every object has', 'constructor_01h455vb4pex5vsknk084sn02q'],
    ['text beyond ASCII', 'tnt_01h455vb4pex5vsknk084sn0é'],
  ])('is refused when it is malformed: %s', (_name, id) => {
    expect(() => decodeAnyId(id)).toThrow(expect.objectContaining({ code: 'MALFORMED_ID' }));
  });

  it('is not repeated at length in the message', () => {
    expect(() => decodeAnyId('x'.repeat(10_000))).toThrow(/^.{0,200}$/);
  });
});

describe('node', async () => {
  const { operator } = await startTestApp();
  const node = (id: string) => operator.send('query ($id: ID!) { node(id: $id) { id } }', { id });

  it('refuses what is no id, and answers null for an object that does not exist', async () => {
    expect((await node('nonsense')).errors).toMatchObject([{ extensions: { code: 'MALFORMED_ID' }, path: ['node'] }]);
    for (const type of types) {
      expect(await node(encodeId(type, newId()))).toMatchObject({ data: { node: null }, errors: undefined });
    }
  });

  it('finds a mistyped id among many by its message', async () => {
    const { errors } = await operator.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
      ids: [sample, 'typo'],
    });
    expect(errors?.[0]?.message).toContain('"typo"');
  });
});
