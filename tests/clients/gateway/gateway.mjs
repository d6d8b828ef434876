// Serves a supergraph, the caller's key handed on to billing and to nobody else:
//   node gateway.mjs SUPERGRAPH_FILE PORT
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { argv } from "node:process";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";

const [file, port] = argv.slice(2);
const gateway = createGatewayRuntime({
  supergraph: readFileSync(file, "utf8"),
  logging: false,
  propagateHeaders: {
    fromClientToSubgraphs: ({ request, subgraphName }) =>
      subgraphName === "billing"
        ? { authorization: request.headers.get("authorization") }
        : undefined,
  },
});
const server = createServer(gateway).listen(Number(port), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${server.address().port}/graphql`),
);
