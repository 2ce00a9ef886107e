import type { ExampleOperation } from './operations.ts';

/** What the header editor shows before a key is pasted. The browser's script compares tabs with this very text. */
export const exampleHeaders = '{\n  "Authorization": "Bearer <paste a key>"\n}';

/**
 * What the page may do: run this origin's scripts, speak to this origin, and nothing else. Styles may be inline because
 * the editor writes them; its fonts and icons are data: URLs inside the style sheet.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  'font-src data:',
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A fairlead is the ring on a deck that guides a rope; drawn in two strokes, it needs no image file. */
export const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-linecap="round">\
<circle cx="16" cy="15" r="9" stroke="#0e7490" stroke-width="5"/>\
<path d="M2 29C10 29 12 21 16 15S24 3 30 3" stroke="#f59e0b" stroke-width="3"/></svg>`;

/** Addresses of the page's parts, relative to the page so that a proxy may serve both under a prefix. */
export interface PageAddresses {
  readonly streams: string;
  readonly script: string;
  readonly bundle: string;
  readonly styles: string;
  readonly icon: string;
  readonly workers: Readonly<Record<string, string>>;
  /** Null: the page introspects the endpoint itself, with the header editor's credential. */
  readonly schema: string | null;
}

/**
 * GraphiQL's drag code leaves a wrong offset on each tab, and its style sheet hides the offset only until the tab has
 * the focus: at the press of a button the tab jumped from under the pointer, and the click missed it.
 */
const tabsStayInPlace = '.graphiql-tab { transform: none !important; }';

/** The HTML of the playground: its settings as data, and references to its parts. */
export function renderPage(
  endpoint: string,
  addresses: PageAddresses,
  operations: readonly ExampleOperation[],
): string {
  const settings = {
    endpoint,
    schemaUrl: addresses.schema,
    // A name that no user's own introspection query has.
    introspectionName: 'PlaygroundSchema',
    workers: addresses.workers,
    headers: exampleHeaders,
    tabs: operations.map(({ text, variables }) => ({ query: text, variables, headers: exampleHeaders })),
    title: 'Fairlead',
    logo,
  };
  // Inside a script element only "<" can end the data or start a comment.
  const data = JSON.stringify(settings).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Fairlead playground</title>
<link rel="icon" type="image/svg+xml" href="${addresses.icon}">
<link rel="stylesheet" href="${addresses.styles}">
<style>
html, body, #root { height: 100%; margin: 0; }
.notice { font: 16px/1.5 system-ui, sans-serif; padding: 2rem; }
${tabsStayInPlace}
</style>
<script type="application/json" id="settings">${data}</script>
<script src="${addresses.streams}" defer></script>
<script src="${addresses.script}" defer></script>
<script src="${addresses.bundle}" defer></script>
</head>
<body>
<div id="root"><p class="notice">Loading the playground…</p></div>
<noscript><p class="notice">The playground needs JavaScript; the API at ${endpoint} does not.</p></noscript>
</body>
</html>
`;
}
