/** Names each variable that is wrong and the rule it breaks; never a value, which may be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
