/**
 * The authentication of a gateway, in front of nothing: it verifies the key of each request, remembers the answer for as
 * long as it may, and says what it would do. Start from it for a gateway of your own.
 *
 *   npm run example -- gateway-auth
 *   curl -i http://127.0.0.1:8080/v1/models -H 'Authorization: Bearer fl_app_…'
 *
 * It listens on GATEWAY_PORT, or 8080. With FAIRLEAD_URL and FAIRLEAD_KEY (a GATEWAY key, or any with the scope
 * keys:verify) it asks another server than the one of this folder.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { refusalStatus, Verifications } from './gateway/verifications.ts';

/** What a caller needs, by what it asks for. */
const scopesOfRoute: Readonly<Record<string, string>> = {
  'GET /v1/models': 'models:read',
  'POST /v1/chat/completions': 'cloud:inference',
};

const verifications = new Verifications();

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const scope = scopesOfRoute[`${request.method} ${path}`];
  if (scope === undefined) return answer(response, 404, { error: 'NO_SUCH_ROUTE' });
  const key = keyOf(request);
  if (key === undefined) return answer(response, 401, { error: 'MISSING_KEY' });
  const verification = await verifications.of({
    key,
    requiredScopes: [scope],
    origin: request.headers.origin ?? null,
    ip: request.socket.remoteAddress ?? null,
  });
  const { isValid, reason, message, limits, owners, secretValidUntil, isSuperseded } = verification;
  if (!isValid) return answer(response, refusalStatus(reason), { error: reason, message });
  if (isSuperseded && secretValidUntil !== null) warn(response, secretValidUntil);
  answer(response, 200, { keyId: verification.keyId, limits, owners });
}

/** The caller moves to the newer secret while both work; this is how its developers learn of it. */
function warn(response: ServerResponse, validUntil: string): void {
  response.setHeader('Warning', `299 - "This key was rotated: its older secret is refused from ${validUntil} on."`);
  response.setHeader('Sunset', new Date(validUntil).toUTCString());
}

const keyOf = ({ headers }: IncomingMessage): string | undefined => {
  const named = headers['x-api-key'];
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? (typeof named === 'string' ? named : undefined);
};

function answer(response: ServerResponse, status: number, body: object): void {
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    response.setHeader('Retry-After', '1');
    answer(response, 503, { error: 'CANNOT_VERIFY' });
  });
});

server.listen(Number(process.env.GATEWAY_PORT ?? 8080), '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : '';
  process.stdout.write(`The gateway listens on http://127.0.0.1:${port}\n`);
});
