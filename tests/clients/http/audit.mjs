// Runs the audit of graphql-http against the address in argv[2] with the key in BILLING_KEY, and
// prints its results as JSON: [{"name": …, "status": "ok" | "notice" | "warn" | "error", …}, …].
import { auditServer } from "graphql-http";

const key = process.env.BILLING_KEY;
const results = await auditServer({
  url: process.argv[2],
  fetchFn: (url, init = {}) =>
    fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } }),
});
console.log(
  JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))),
);
