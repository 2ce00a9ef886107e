import { beforeEach } from 'vitest';
import { startTestApp } from '../../testkit/app.ts';
import {
  type BadInputTable,
  type BadValue,
  badIds,
  badRevisions,
  badTexts,
  expectNoFailures,
  notOfType,
  refusesBadInput,
} from '../../testkit/bad-input.ts';
import { Seed } from '../../testkit/seed.ts';
import { badEngineVersions } from '../products/bad-values.ts';

const app = await startTestApp();
const seed = new Seed(app);
const { id: engineId, productId } = await seed.engine();

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));
expectNoFailures(app);

const badUsers: readonly BadValue[] = [
  ['missing', undefined, notOfType],
  ['null', null, notOfType],
  ['a number', 1, notOfType],
  ['nothing', '', 'BLANK'],
  ['a space in front', ' ada', 'SURROUNDING_SPACE'],
  ['a space at its end', 'ada ', 'SURROUNDING_SPACE'],
  ['256 characters', 'x'.repeat(256), 'TOO_LONG'],
  ['NUL', 'a\u0000b', 'CONTROL_CHARACTER'],
  ['half of a surrogate pair', 'a\ud83db', 'MALFORMED_TEXT'],
  ['an invisible character', 'a\u200bb', 'INVISIBLE'],
];

const badUrls: readonly BadValue[] = [
  ['nothing', '', 'INVALID_URL'],
  ['no scheme', 'engines.example.com', 'INVALID_URL'],
  ['a path', '/engines/1', 'INVALID_URL'],
  ['another scheme', 'ftp://engines.example.com', 'INVALID_URL'],
  ['a script', 'javascript:alert(1)', 'INVALID_URL'],
  ['a file', 'file:///etc/passwd', 'INVALID_URL'],
  ['a user name and a password', 'https://ada:secret@engines.example.com', 'INVALID_URL'],
  ['a user name', 'https://ada@engines.example.com', 'INVALID_URL'],
  ['a port that does not exist', 'http://engines.example.com:70000', 'INVALID_URL'],
  ['a space', 'http://engines.example.com/a b', 'INVALID_URL'],
  ['a space in front', ' http://engines.example.com', 'INVALID_URL'],
  ['a line break at its end', 'http://engines.example.com\n', 'INVALID_URL'],
  ['NUL', 'http://engines.example.com/\u0000', 'INVALID_URL'],
  ['half of a surrogate pair', 'http://engines.example.com/\ud83d', 'INVALID_URL'],
  ['2049 characters', `http://engines.example.com/${'x'.repeat(2_022)}`, 'TOO_LONG'],
  ['a number', 1, notOfType],
];

const badStates: readonly BadValue[] = [
  ['null', null, 'NOT_NULLABLE'],
  ['an unknown one', 'EXPLODED', notOfType],
  ['lower case', 'running', notOfType],
  ['a number', 1, notOfType],
];

const badSecrets: BadInputTable = {
  existingSecret: [
    ['neither', {}, 'EXACTLY_ONE'],
    ['both', { text: 'x'.repeat(32), sha256: 'a'.repeat(64) }, 'EXACTLY_ONE'],
    ['an unknown field', { md5: 'a' }, notOfType],
  ],
  'existingSecret.text': [
    ['31 characters', 'x'.repeat(31), 'OUT_OF_RANGE'],
    ['513 characters', 'x'.repeat(513), 'OUT_OF_RANGE'],
    ['a space', `${'x'.repeat(32)} `, 'INVALID_FORMAT'],
    ['a letter with an accent', `${'x'.repeat(32)}é`, 'INVALID_FORMAT'],
    ['NUL', `${'x'.repeat(32)}\u0000`, 'INVALID_FORMAT'],
    ['a number', 1, notOfType],
  ],
  'existingSecret.sha256': [
    ['63 digits', 'a'.repeat(63), 'INVALID_FORMAT'],
    ['65 digits', 'a'.repeat(65), 'INVALID_FORMAT'],
    ['something that is no digit', 'g'.repeat(64), 'INVALID_FORMAT'],
    ['a number', 1, notOfType],
  ],
};

refusesBadInput(app, 'registerEngine', () => ({ productId, userExternalId: 'never stored' }), {
  ...badSecrets,
  productId: badIds(engineId, { nullable: true }),
  userExternalId: badUsers,
  url: badUrls,
  version: badEngineVersions,
});
refusesBadInput(app, 'reportEngine', () => ({ engineId }), {
  engineId: badIds(productId, { nullable: true }),
  expectedRevision: badRevisions,
  status: badStates,
  health: badStates,
  version: badEngineVersions,
  url: badUrls,
  bootDurationMs: [
    ['-1', -1, 'OUT_OF_RANGE'],
    ['a fraction', 0.5, notOfType],
    ['more than 32 bits', 2 ** 31, notOfType],
    ['a text', '10', notOfType],
  ],
  message: badTexts(2_000),
});
refusesBadInput(app, 'destroyEngine', () => ({ engineId }), {
  engineId: badIds(productId),
  expectedRevision: badRevisions,
});
refusesBadInput(app, 'admitEngine', () => ({ productId, userExternalId: 'nobody' }), {
  productId: badIds(engineId, { nullable: true }),
  userExternalId: badUsers,
});
