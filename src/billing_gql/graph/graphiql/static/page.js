// Starts GraphiQL with a tab for each example. The key of the demo goes along unless the headers
// pane has another one.
const config = JSON.parse(document.getElementById("config").textContent);
const authorization = config.key ? { Authorization: `Bearer ${config.key}` } : {};
const url = window.location.origin + window.location.pathname;

const once = GraphiQL.createFetcher({ url, headers: authorization });

function isSubscription({ operationName }, { documentAST } = {}) {
  return (documentAST?.definitions ?? []).some(
    (one) =>
      one.operation === "subscription" && (!operationName || one.name?.value === operationName),
  );
}

// The results of a subscription over server-sent events, until it completes.
async function* results(params, headers, signal) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      ...authorization,
      ...headers,
      "Content-Type": "application/json",
      Accept: "text/event-stream",
    },
    body: JSON.stringify(params),
    signal,
  });
  if (!response.headers.get("Content-Type").startsWith("text/event-stream")) {
    yield await response.json();
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (unread + value).split("\r\n\r\n");
    unread = events.pop();
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\r\ndata: (.*)$/.exec(event) ?? [];
      if (name === "complete") return;
      if (name === "next") yield JSON.parse(data);
    }
  }
}

// The same for GraphiQL, whose stop button must end it though no result is under way.
function stream(params, headers) {
  const stop = new AbortController();
  const source = results(params, headers, stop.signal);
  const end = { value: undefined, done: true };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () =>
      source.next().catch((error) => {
        if (stop.signal.aborted) return end;
        throw error;
      }),
    return: async () => {
      stop.abort();
      return end;
    },
  };
}

ReactDOM.render(
  React.createElement(GraphiQL, {
    fetcher: (params, options) =>
      isSubscription(params, options) ? stream(params, options?.headers) : once(params, options),
    defaultTabs: config.examples.map((example) => ({
      query: example.query,
      variables: JSON.stringify(example.variables, null, 2),
      headers: config.key ? null : '{\n  "Authorization": "Bearer sk_test_..."\n}',
    })),
    // What an earlier visit left open would hide the examples of this server.
    storage: { getItem: () => null, setItem: () => {}, removeItem: () => {}, clear: () => {}, length: 0 },
    isHeadersEditorEnabled: true,
    defaultEditorToolsVisibility: true,
  }),
  document.getElementById("graphiql"),
);
