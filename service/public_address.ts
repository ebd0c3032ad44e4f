/** Keeps the server from being sent to places that only it can reach. */
import { lookup } from "node:dns/promises";
import ipaddr from "ipaddr.js";
import type { WebhookConfig } from "./config.ts";
import { ServiceError } from "./failure.ts";

export interface Address {
  readonly address: string;
  readonly family: number;
}

/**
 * An address of the URL's host. Throws a ServiceError unless all addresses that it has are public,
 * or `allow` names the host, as in "hooks.internal" or "127.0.0.1:9000".
 */
export async function publicAddress(url: URL, allow: readonly string[]): Promise<Address> {
  const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const addresses = ipaddr.isValid(name)
    ? [{ address: name, family: ipaddr.parse(name).kind() === "ipv6" ? 6 : 4 }]
    : await lookup(name, { all: true }).catch(() => []);
  const [first] = addresses;
  if (!first) throw new ServiceError("invalid_request", `Cannot find the host "${name}"`);
  if (allow.includes(url.hostname) || allow.includes(url.host)) return first;
  const hidden = addresses.find(({ address }) => !isPublic(address));
  if (!hidden) return first;
  throw new ServiceError(
    "invalid_request",
    `Cannot send webhooks to "${name}": its address ${hidden.address} is not public`,
  );
}

/**
 * Refuses a webhook that would not be told. Its address is looked up again when it is: a name may
 * mean something else by then.
 */
export async function checkWebhook(url: string, config: WebhookConfig): Promise<void> {
  const field = "webhook.url";
  if (!config.enabled) {
    const detail = "Cannot tell a webhook: the server was started without --webhooks";
    throw new ServiceError("invalid_request", detail, { field });
  }
  await publicAddress(new URL(url), config.allow).catch((error) => {
    throw new ServiceError("invalid_request", error.message, { field, cause: error });
  });
}

function isPublic(address: string): boolean {
  return ipaddr.process(address).range() === "unicast";
}
