// Composes subgraphs into one supergraph, which it prints:
//   node compose.mjs NAME URL SCHEMA_FILE [NAME URL SCHEMA_FILE …]
import { readFileSync } from "node:fs";
import { argv, exit } from "node:process";
import { composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";

const words = argv.slice(2);
const subgraphs = [];
while (words.length) {
  const [name, url, file] = words.splice(0, 3);
  subgraphs.push({ name, url, typeDefs: parse(readFileSync(file, "utf8")) });
}
const { errors, supergraphSdl } = composeServices(subgraphs);
if (errors) {
  for (const error of errors) console.error(error.message);
  exit(1);
}
console.log(supergraphSdl);
