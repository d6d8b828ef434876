// Runs queries through an Apollo client with persisted queries against the address in argv[2], with
// the key in BILLING_KEY. argv[3] is JSON: {"queries": [text, …], "get": bool}, or with "ids", a map
// of an operation's name to its id in a manifest, in place of hashes. Prints as JSON what each
// query came to, {"data": …} or {"error": …}, and what was sent over the wire.
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client/core";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

const { queries, get, ids } = JSON.parse(process.argv[3]);
const wire = [];

async function watched(uri, options) {
  const url = new URL(uri);
  const sent = options.body ? JSON.parse(options.body) : Object.fromEntries(url.searchParams);
  const response = await fetch(uri, options);
  const answer = await response.clone().json();
  wire.push({
    method: options.method,
    hasText: sent.query !== undefined,
    status: response.status,
    code: answer.errors?.[0].extensions?.code ?? null,
  });
  return response;
}

const hash = ids
  ? { generateHash: (document) => ids[document.definitions[0].name.value] }
  : { sha256: (text) => createHash("sha256").update(text).digest("hex") };
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.from([
    new PersistedQueryLink({ ...hash, useGETForHashedQueries: get }),
    new HttpLink({
      uri: process.argv[2],
      fetch: watched,
      headers: { authorization: `Bearer ${process.env.BILLING_KEY}` },
    }),
  ]),
});

const results = [];
for (const text of queries) {
  try {
    const { data } = await client.query({ query: gql(text), fetchPolicy: "network-only" });
    results.push({ data });
  } catch (error) {
    results.push({ error: error.message });
  }
}
console.log(JSON.stringify({ results, wire }));
