/**
 * Posts to addresses that everybody may reach, or that the operator allows. The host's name is looked up
 * once, and the connection goes to the address that was checked: a name that means something else a
 * moment later leads nowhere. Made of Deno's own connections, since `fetch` and `node:https` look names
 * up themselves, and the latter needs more permissions than the service has.
 */
import http from "node:http";
import { Duplex } from "node:stream";
import { publicAddress, type Resolve, resolveName } from "./public_address.ts";

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Hosts that may have private addresses; see `publicAddress`. */
  readonly allow: readonly string[];
  readonly signal: AbortSignal;
  readonly resolve?: Resolve;
}

/**
 * Returns the status of the answer; redirections are not followed. Throws where the address is not
 * public, there is no connection, the certificate is not the host's, or `signal` is aborted before.
 */
export async function postPublicly(
  url: URL,
  { headers, body, allow, signal, resolve = resolveName }: Post,
): Promise<number> {
  const address = await publicAddress(url, allow, resolve);
  const connection = await connect(url, address, signal);
  const socket = Duplex.fromWeb({
    readable: connection.readable,
    writable: connection.writable,
  });
  try {
    return await new Promise((answered, failed) => {
      const request = http.request({
        method: "POST",
        host: url.hostname,
        path: url.pathname + url.search,
        headers: { ...headers, host: url.host, connection: "close" },
        ...url.username && { auth: [url.username, url.password].map(decodeURIComponent).join(":") },
        createConnection: () => socket,
        signal,
      }, ({ statusCode = 0 }) => answered(statusCode));
      request.on("error", failed);
      request.end(body);
    });
  } finally {
    socket.on("error", () => {}); // nobody waits for more
    socket.destroy();
    close(connection);
  }
}

async function connect(url: URL, address: string, signal: AbortSignal): Promise<Deno.Conn> {
  const isSecure = url.protocol === "https:";
  const port = Number(url.port || (isSecure ? 443 : 80));
  const connecting = Deno.connect({ hostname: address, port });
  const plain = await unlessAborted(connecting, signal, () => {
    connecting.then(close, () => {});
  });
  if (!isSecure) return plain;
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const secure = await Deno.startTls(plain, { hostname, alpnProtocols: ["http/1.1"] });
  try {
    await unlessAborted(secure.handshake(), signal, () => close(secure));
    return secure;
  } catch (error) {
    close(secure);
    throw error;
  }
}

/** What `promise` gives; once `signal` is aborted, its reason is thrown after `abandon`. */
async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  abandon: () => void,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } catch (error) {
    promise.catch(() => {});
    if (signal.aborted) abandon();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch { /* it is closed */ }
}
