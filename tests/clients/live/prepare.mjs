// Loaded before a client (node --import): Node 20 has no WebSocket, and five retries would take half
// a minute, so pauses of more than a second are a hundredth as long.
import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket;
const later = globalThis.setTimeout;
globalThis.setTimeout = (what, ms = 0, ...given) =>
  later(what, ms > 1_000 ? ms / 100 : ms, ...given);
