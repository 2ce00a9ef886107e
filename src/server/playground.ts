import { readFile } from 'node:fs/promises';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { type GraphQLSchema, introspectionFromSchema } from 'graphql';
import { type Asset, createAsset } from './playground/asset.ts';
import { readExampleOperations } from './playground/operations.ts';
import { contentSecurityPolicy, logo, renderPage } from './playground/page.ts';

/** What the playground needs to know of the server that it is part of. */
export interface PlaygroundOptions {
  /** Path of the GraphQL endpoint on the same origin. */
  readonly endpoint: '/graphql';
  /**
   * The schema to publish under /schema.json, so that documentation and completion work before any key is given. Leave
   * it out where introspection is off: the page then introspects the endpoint with the key in its header editor.
   */
  readonly schema?: GraphQLSchema | undefined;
  /** Told why an answer became a 500: a damaged installation, or a schema that cannot be published. Default: nobody. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The playground's part of the HTTP server. */
export interface Playground {
  /** Answers the request and returns true when its path is one of the playground's; returns false otherwise. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

const prefix = '/playground/';

const securityHeaders: OutgoingHttpHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Also on scripts: a worker obeys the policy of its own response, not that of the page.
  'content-security-policy': contentSecurityPolicy,
};

/** For what keeps its address when it changes: ask every time, and be told 304. */
const revalidated: OutgoingHttpHeaders = { ...securityHeaders, 'cache-control': 'no-cache' };

/** For what has its digest in its address. */
const immutable: OutgoingHttpHeaders = { ...securityHeaders, 'cache-control': 'public, max-age=31536000, immutable' };

/**
 * Makes the playground: GraphiQL at `/`, its files under `/playground/`, and the schema at `/schema.json`. Everything
 * comes from this server. Nothing is loaded before the first request, so it costs nothing where nobody opens it.
 */
export function createPlayground(options: PlaygroundOptions): Playground {
  const operations = readExampleOperations();
  let loaded: Promise<ReadonlyMap<string, Asset>> | undefined;

  const load = async (): Promise<ReadonlyMap<string, Asset>> => {
    const bundle = await import('@graphql-yoga/render-graphiql/graphiql');
    const source = (name: string) => readFile(new URL(`playground/${name}`, import.meta.url), 'utf8');
    const assets = new Map<string, Asset>();
    const add = (name: string, type: string, text: string): string => {
      const asset = createAsset(text, { ...immutable, 'content-type': type });
      const path = `${prefix}${asset.digest}/${name}`;
      assets.set(path, asset);
      return path.slice(1);
    };
    const javascript = 'text/javascript; charset=utf-8';
    const addresses = {
      streams: add('streams.js', javascript, await source('streams.js')),
      script: add('client.js', javascript, await source('client.js')),
      bundle: add('graphiql.js', javascript, bundle.js),
      styles: add('graphiql.css', 'text/css; charset=utf-8', bundle.css),
      icon: add('icon.svg', 'image/svg+xml', logo),
      workers: {
        editorWorkerService: add('editor.worker.js', javascript, bundle.editorWorkerService),
        json: add('json.worker.js', javascript, bundle.jsonWorker),
        graphql: add('graphql.worker.js', javascript, bundle.graphqlWorker),
      },
      schema: options.schema === undefined ? null : 'schema.json',
    };
    if (options.schema !== undefined) {
      const result = JSON.stringify({ data: introspectionFromSchema(options.schema) });
      assets.set('/schema.json', createAsset(result, { ...revalidated, 'content-type': 'application/json' }));
    }
    const page = renderPage(options.endpoint, addresses, operations);
    assets.set('/', createAsset(page, { ...revalidated, 'content-type': 'text/html; charset=utf-8' }));
    return assets;
  };

  const answer = async (path: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    loaded ??= load();
    const asset = (await loaded).get(path);
    if (asset === undefined) {
      response.writeHead(404, { ...revalidated, 'content-type': 'text/plain' }).end('No such file.\n');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { ...revalidated, allow: 'GET, HEAD', 'content-type': 'text/plain' });
      response.end('Only GET and HEAD are possible here.\n');
    } else {
      await asset.send(request, response);
    }
  };

  return {
    handle(request, response) {
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      const schemaPath = path === '/schema.json' && options.schema !== undefined;
      if (path !== '/' && !schemaPath && !path.startsWith(prefix)) return false;
      answer(path, request, response).catch((error: unknown) => {
        // The next request tries again, as the cause may be gone.
        loaded = undefined;
        options.onError?.(error);
        if (response.headersSent) {
          response.destroy();
        } else {
          response.writeHead(500, { ...revalidated, 'content-type': 'text/plain' });
          response.end('The playground cannot start.\n');
        }
      });
      return true;
    },
  };
}
