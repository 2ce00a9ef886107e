/**
 * The browser's side of the playground. It is served as it stands, before the GraphiQL bundle, and draws the page once
 * all have run. No build step and no imports, so that what is read here is what the browser runs.
 */

/**
 * What page.ts wrote into the page.
 *
 * @type {{ endpoint: string, schemaUrl: string | null, introspectionName: string, workers: Record<string, string>,
 *   headers: string, tabs: { query: string, variables?: string, headers: string }[], title: string, logo: string }}
 */
const settings = JSON.parse(document.getElementById('settings').textContent);

// Monaco asks for its workers by label. They are files of this origin, so that the page's policy can forbid blob: code.
// `globalAPI` makes it publish `monaco`, which is the only way to the header editor's text from outside the bundle.
globalThis.MonacoEnvironment = {
  globalAPI: true,
  getWorkerUrl: (_moduleId, label) => settings.workers[label] ?? settings.workers.editorWorkerService,
};

/** Other GraphiQLs may be used on the same host and port; theirs and ours must not show each other's tabs. */
const storage = {
  prefix: 'fairlead:',
  keys() {
    return Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
  },
  get length() {
    return this.keys().length;
  },
  getItem(key) {
    return localStorage.getItem(this.prefix + key);
  },
  setItem(key, value) {
    localStorage.setItem(this.prefix + key, value);
  },
  removeItem(key) {
    localStorage.removeItem(this.prefix + key);
  },
  clear() {
    for (const key of this.keys()) localStorage.removeItem(key);
  },
};

/**
 * Answers GraphiQL's introspection from the published schema, which needs no key: documentation and completion work
 * from the first moment, and "Re-fetch GraphQL schema" still does what it says. A query with another name that the
 * user writes goes to the endpoint, as everything else does. The bundle looks `fetch` up at each request.
 */
function introspectWithoutKey() {
  if (settings.schemaUrl === null) return;
  const fetchFromNetwork = globalThis.fetch;
  const isIntrospection = (body) =>
    typeof body === 'string' &&
    body.includes(settings.introspectionName) &&
    JSON.parse(body).operationName === settings.introspectionName;
  globalThis.fetch = (input, init) =>
    isIntrospection(init?.body)
      ? fetchFromNetwork(settings.schemaUrl, { cache: 'no-cache' })
      : fetchFromNetwork(input, init);
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const isHeaderModel = (model) => model?.uri.path.endsWith('request-headers.json') === true;

/**
 * GraphiQL keeps headers per tab, so a key pasted into one tab would be missing in all others, and another one pasted
 * later would leave some tabs with the key of before. Tabs follow the headers that were last edited on this page, unless
 * theirs were edited to be different. They stay in memory only.
 */
function carryHeadersBetweenTabs() {
  let lastEdited = settings.headers;
  /** What tabs have that follow: the example, and all that was carried to them. */
  const followed = new Set([settings.headers]);
  globalThis.monaco.editor.onDidCreateModel((model) => {
    if (!isHeaderModel(model)) return;
    const settle = (isTyped) => {
      if (model.isDisposed()) return;
      const text = model.getValue();
      const follows = !isTyped && (text.trim() === '' || followed.has(text));
      if (follows && text !== lastEdited) model.setValue(lastEdited);
      // Half-typed headers stay where they are; so do those that the browser kept, once others were typed.
      if (follows || !isJson(text) || !(isTyped || lastEdited === settings.headers)) return;
      lastEdited = text;
      followed.add(text);
    };
    settle(false);
    // After GraphiQL has put the tab's other values in place, or it would store these headers under the previous tab.
    // It replaces the whole text when another tab is opened, which no typing does.
    model.onDidChangeContent(({ isFlush }) => setTimeout(() => settle(!isFlush), 0));
  });
}

/** Focuses the header editor with the words between quotes selected, so that a key can be pasted over them at once. */
function offerToPasteKey() {
  globalThis.monaco.editor.onDidCreateEditor((editor) => {
    const selectExample = () => {
      const model = editor.getModel();
      if (!isHeaderModel(model) || model.getValue() !== settings.headers) return;
      const start = settings.headers.indexOf('<');
      const end = settings.headers.indexOf('>') + 1;
      const [from, to] = [model.getPositionAt(start), model.getPositionAt(end)];
      editor.setSelection(new globalThis.monaco.Range(from.lineNumber, from.column, to.lineNumber, to.column));
    };
    editor.onMouseUp(selectExample);
    // The editor has its model, and the page its size, only after GraphiQL's effects have run.
    setTimeout(() => {
      if (!isHeaderModel(editor.getModel()) || editor.getValue() !== settings.headers) return;
      editor.focus();
      selectExample();
    }, 100);
  });
}

document.addEventListener('DOMContentLoaded', () => {
  globalThis.fetch = globalThis.continueStreams(globalThis.fetch.bind(globalThis));
  introspectWithoutKey();
  carryHeadersBetweenTabs();
  offerToPasteKey();
  globalThis.YogaGraphiQL.renderYogaGraphiQL(document.getElementById('root'), {
    endpoint: settings.endpoint,
    title: settings.title,
    logo: settings.logo,
    introspectionQueryName: settings.introspectionName,
    subscriptionsProtocol: 'GRAPHQL_SSE',
    // Or subscriptions would be GET requests, with the whole operation in the address.
    method: 'POST',
    headers: settings.headers,
    defaultTabs: settings.tabs,
    defaultEditorToolsVisibility: 'headers',
    // Headers hold secrets: they are stored only for those who choose it in GraphiQL's settings, and GraphiQL forgets
    // that choice at the next visit unless it is told of it here.
    shouldPersistHeaders: storage.getItem('graphiql:shouldPersistHeaders') === 'true',
    showPersistHeadersSettings: true,
    storage,
    // The bundle's own handler writes each edit into the address, which then is logged, shared and outgrows its limit.
    onEditQuery: () => {},
  });
});
