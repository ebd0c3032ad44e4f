/**
 * The floor under every figure of the HTTP server: the runtime's own server with our limits, which
 * reads what comes and answers at once.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { LIMITS } from "../../routes/listen.ts";

const server = createServer(LIMITS, (request, response) => {
  const answer = () => {
    if (request.url === "/metrics") {
      response.end(`process_resident_memory_bytes ${Deno.memoryUsage().rss}\n`);
    } else {
      response.writeHead(request.url === "/healthz" ? 200 : 404).end("{}");
    }
  };
  request.on("error", () => {}).on("end", answer).resume();
});
server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
