/** Carries commands out over the graph of a server, to make what a comparison needs. */
import type { RunningServer } from './processes.ts';

/** What was selected, by name. */
export type Payload = Readonly<Record<string, { readonly id?: string; readonly value?: string } | undefined>>;

/** @throws when the command fails, in whatever way */
export async function carryOut(
  { target }: RunningServer,
  command: string,
  input: object,
  selection: string,
): Promise<Payload> {
  const type = command.charAt(0).toUpperCase() + command.slice(1);
  const response = await fetch(`http://127.0.0.1:${target.port}${target.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...target.headers },
    body: JSON.stringify({
      query: `mutation ($input: ${type}Input!) { ${command}(input: $input) {
        ... on ${type}Payload { ${selection} } ... on UserError { code message } } }`,
      variables: { input },
    }),
  });
  const { data, errors } = (await response.json()) as { data?: Record<string, Payload>; errors?: unknown };
  const payload = data?.[command];
  if (errors !== undefined || payload === undefined || 'code' in payload) {
    throw new Error(`${command} failed: ${JSON.stringify(errors ?? payload)}`);
  }
  return payload;
}

export function idIn(payload: Payload, name: string): string {
  const id = payload[name]?.id;
  if (id === undefined) throw new Error(`there is no ${name} in the answer`);
  return id;
}

/** The one-time secret of a key that was made. */
export function secretIn({ secret }: Payload): string {
  if (secret?.value === undefined) throw new Error('there is no secret in the answer');
  return secret.value;
}
