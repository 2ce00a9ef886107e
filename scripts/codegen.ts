import { generate } from '@graphql-codegen/cli';
import config from '../codegen.ts';

/** `npm run codegen`: makes the types of operations. Says nothing but what is wrong; the command of the package cannot. */

/** Errors of several outputs come as one, whose own message does not say what they are. */
const messagesOf = (error: unknown): readonly string[] => {
  if (error instanceof AggregateError) return error.errors.flatMap(messagesOf);
  return [error instanceof Error ? error.message : String(error)];
};

try {
  await generate({ ...config, silent: true }, true);
} catch (error) {
  process.stderr.write(`${messagesOf(error).join('\n')}\n`);
  process.exitCode = 1;
}
