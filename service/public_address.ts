/** Keeps the server from being sent to places that only it can reach. */
import { lookup } from "node:dns/promises";
import ipaddr from "ipaddr.js";
import type { WebhookConfig } from "./config.ts";
import { ServiceError } from "./failure.ts";

/** All addresses of a name; none where there is no such name. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export const resolveName: Resolve = (name) =>
  lookup(name, { all: true }).then((all) => all.map(({ address }) => address), () => []);

/**
 * An address of the URL's host. Throws a ServiceError unless all addresses that it has are public,
 * or `allow` names the host, as in "hooks.internal" or "127.0.0.1:9000".
 */
export async function publicAddress(
  url: URL,
  allow: readonly string[],
  resolve: Resolve = resolveName,
): Promise<string> {
  const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const addresses = ipaddr.isValid(name) ? [name] : await resolve(name);
  const [first] = addresses;
  if (!first) throw new ServiceError("invalid_request", `Cannot find the host "${name}"`);
  if (allow.includes(url.hostname) || allow.includes(url.host)) return first;
  const hidden = addresses.find((address) => !isPublic(address));
  if (!hidden) return first;
  throw new ServiceError(
    "invalid_request",
    `Cannot send webhooks to "${name}": its address ${hidden} is not public`,
  );
}

/**
 * Refuses a webhook that would not be told. Its address is looked up again when it is: a name may
 * mean something else by then.
 */
export async function checkWebhook(
  url: string,
  config: WebhookConfig,
  resolve?: Resolve,
): Promise<void> {
  const field = "webhook.url";
  if (!config.enabled) {
    const detail = "Cannot tell a webhook: the server was started without --webhooks";
    throw new ServiceError("invalid_request", detail, { field });
  }
  await publicAddress(new URL(url), config.allow, resolve).catch((error) => {
    throw new ServiceError("invalid_request", error.message, { field, cause: error });
  });
}

function isPublic(text: string): boolean {
  const address = ipaddr.process(text); // of IPv4 within IPv6, the IPv4
  if (address.range() !== "unicast") return false;
  // Of IPv6, 2000::/3 is all that was ever given to anybody.
  return address instanceof ipaddr.IPv4 || address.parts[0]! >>> 13 === 1;
}
