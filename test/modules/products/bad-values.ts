import { type BadValue, notOfType } from '../../testkit/bad-input.ts';

/** What every version of an engine must refuse. */
export const badEngineVersions: readonly BadValue[] = [
  ['nothing', '', 'INVALID_VERSION'],
  ['blanks', '  ', 'INVALID_VERSION'],
  ['a space in it', 'v1 2', 'INVALID_VERSION'],
  ['a hyphen in front', '-v1', 'INVALID_VERSION'],
  ['a dot in front', '.v1', 'INVALID_VERSION'],
  ['256 characters', 'x'.repeat(256), 'INVALID_VERSION'],
  ['a line break at its end', 'v1\n', 'INVALID_VERSION'],
  ['NUL', 'v1\u0000', 'INVALID_VERSION'],
  ['a letter with an accent', 'vé', 'INVALID_VERSION'],
  ['a shell command', 'v1;ls', 'INVALID_VERSION'],
  ['a number', 1, notOfType],
];
