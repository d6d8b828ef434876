// Starts GraphiQL with a tab for each example. The key of the demo goes along unless the headers
// pane has another one.
const config = JSON.parse(document.getElementById("config").textContent);
const authorization = config.key ? { Authorization: `Bearer ${config.key}` } : {};

const fetcher = GraphiQL.createFetcher({
  url: window.location.origin + window.location.pathname,
  headers: authorization,
});

ReactDOM.render(
  React.createElement(GraphiQL, {
    fetcher,
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
