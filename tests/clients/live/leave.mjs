// Subscribes at argv[2] by argv[3], "sse" or "ws", with the key in BILLING_KEY; takes one change and
// leaves, on a WebSocket not before three pongs. Prints "live", the invoice's id, "left", and how the
// WebSocket was closed; then it goes on until somebody ends it.
import { createClient as createSse } from "graphql-sse";
import { createClient as createWs } from "graphql-ws";
import { WebSocket } from "ws";

const [, , url, kind] = process.argv;
const Authorization = `Bearer ${process.env.BILLING_KEY}`;
const say = (what) => console.log(JSON.stringify(what));
const live = () => say("live");
let pongs = 0;
let heardEnough;
const enough = new Promise((resolve) => (heardEnough = resolve));

const client =
  kind === "sse"
    ? createSse({ url, headers: { Authorization }, retryAttempts: 0, on: { connected: live } })
    : createWs({
        url: url.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { Authorization },
        retryAttempts: 0,
        keepAlive: 20,
        on: {
          pong: () => {
            pongs += 1;
            if (pongs === 1) live();
            if (pongs === 3) heardEnough();
          },
          closed: (event) => say({ code: event.code, clean: event.wasClean }),
        },
      });
if (kind === "sse") heardEnough();

for await (const { data } of client.iterate({ query: "subscription { invoiceChanged { id } }" })) {
  say(data.invoiceChanged.id);
  await enough.promise;
  break;
}
say("left");
setInterval(() => {}, 60_000);
