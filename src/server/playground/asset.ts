import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

type Coding = 'br' | 'gzip' | 'identity';

const compressors: Record<Exclude<Coding, 'identity'>, (content: Buffer) => Promise<Buffer>> = {
  // Quality 5 is smaller than gzip and needs a tenth of a second for the largest file; 11 would need ten seconds.
  br: (content) =>
    promisify(brotliCompress)(content, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
    }),
  gzip: (content) => promisify(gzip)(content),
};

/** One file in memory, with its compressed forms and its entity tags. */
export interface Asset {
  /** SHA-256 of the content, shortened; part of the addresses of files that never change. */
  readonly digest: string;
  /** Answers a GET or HEAD request: 200, or 304 when the client has this very form already. */
  send(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** Makes a file that is hashed once and compressed once per coding, when it is first asked for. */
export function createAsset(text: string, headers: OutgoingHttpHeaders): Asset {
  const content = Buffer.from(text);
  const digest = createHash('sha256').update(content).digest('base64url').slice(0, 22);
  const forms = new Map<Coding, Promise<Buffer>>();

  const encode = (coding: Coding): Promise<Buffer> => {
    const known = forms.get(coding);
    if (known !== undefined) return known;
    const form = coding === 'identity' ? Promise.resolve(content) : compressors[coding](content);
    forms.set(coding, form);
    return form;
  };

  return {
    digest,
    async send(request, response) {
      const coding = chooseCoding(request.headers['accept-encoding']);
      // A strong tag names bytes, and each coding has its own.
      const tag = coding === 'identity' ? `"${digest}"` : `"${digest}-${coding}"`;
      const common = { ...headers, etag: tag, vary: 'accept-encoding' };
      if (matchesTag(request.headers['if-none-match'], tag)) {
        response.writeHead(304, common).end();
        return;
      }
      const body = await encode(coding);
      response.writeHead(200, {
        ...common,
        ...(coding === 'identity' ? {} : { 'content-encoding': coding }),
        'content-length': body.length,
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    },
  };
}

/** The best coding that the client accepts. `identity` is the answer also to one that refuses everything. */
export function chooseCoding(acceptEncoding: string | string[] | undefined): Coding {
  const weights = new Map<string, number>();
  for (const entry of String(acceptEncoding ?? '').split(',')) {
    const [name = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  const weigh = (coding: string): number => weights.get(coding) ?? weights.get('*') ?? 0;
  const best = weigh('br') >= weigh('gzip') ? 'br' : 'gzip';
  return weigh(best) > 0 ? best : 'identity';
}

function matchesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((entry) => {
    const candidate = entry.trim();
    // If-None-Match compares weakly, and a proxy that recompresses turns our tags into weak ones.
    return candidate === '*' || candidate.replace(/^W\//, '') === tag;
  });
}
