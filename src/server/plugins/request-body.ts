import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { GraphQLParams, Plugin } from 'graphql-yoga';
import type { ServerContext } from '../context.ts';

const badRequest = (status: number, code: string, message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code, http: { status } } });

/** Whether the body of a request is said to be JSON: a page of another origin can send other types unasked. */
export function isJson({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'];
  if (type === 'application/json') return true;
  const name = type?.split(';')[0]?.trim().toLowerCase();
  return name === 'application/json' || name === 'application/graphql+json';
}

/** What the body of a POST asks for. yoga checks the fields. */
export function readParams(request: IncomingMessage, maxBytes: number): Promise<GraphQLParams> {
  return new Promise((resolve, reject) => {
    if (!isJson(request)) {
      throw badRequest(415, 'UNSUPPORTED_MEDIA_TYPE', 'The body has to be of type application/json.');
    }
    let chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      // What else comes is read and dropped: a connection that is closed on its sender may lose the answer.
      chunks = [];
      reject(badRequest(413, 'REQUEST_ENTITY_TOO_LARGE', `The body is longer than ${maxBytes} bytes.`));
    });
    request.on('end', () => {
      // What is cut off is not worth a look.
      if (length > maxBytes) return;
      try {
        resolve(parseParams(textOf(chunks)));
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', () => reject(badRequest(400, 'BAD_REQUEST', 'The body broke off.')));
  });
}

function textOf(chunks: readonly Buffer[]): string {
  const [first, second] = chunks;
  return first !== undefined && second === undefined ? first.toString('utf8') : Buffer.concat(chunks).toString('utf8');
}

/**
 * Reads a GET from its URL, and the body of a POST, no longer than allowed. yoga's own limit copies every body through
 * another request and stream, which costs more than reading it.
 */
export const useRequestBody = (maxBytes: number): Plugin<object, ServerContext> => ({
  onRequestParse({ request, serverContext: { req, progress }, setRequestParser }) {
    if (request.method === 'GET') setRequestParser(() => parseUrl(req.url ?? ''));
    if (request.method === 'POST') setRequestParser(() => progress?.params ?? readParams(req, maxBytes));
  },
});

/** yoga's own parser takes variables that are not JSON for a failure of the server. */
function parseUrl(url: string): GraphQLParams {
  const fields = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  const params: Record<string, unknown> = {};
  for (const name of ['query', 'operationName', 'variables', 'extensions']) {
    const text = fields.get(name);
    if (text === null) continue;
    params[name] = name === 'variables' || name === 'extensions' ? parseParameter(name, text) : text;
  }
  return params;
}

function parseParameter(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest(400, 'BAD_REQUEST', `The parameter "${name}" is not valid JSON.`);
  }
}

function parseParams(text: string): GraphQLParams {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw badRequest(400, 'BAD_REQUEST', 'The body is not valid JSON.');
  }
  if (Array.isArray(body)) {
    throw badRequest(400, 'BATCHING_NOT_SUPPORTED', 'Send one operation a request; an operation can have many fields.');
  }
  if (typeof body !== 'object' || body === null) {
    throw badRequest(400, 'BAD_REQUEST', 'The body has to be a JSON object with the field "query".');
  }
  return body;
}
