import dns from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { addressKind, embeddedIpv4 } from "./address-kind.ts";
import { createHostList, type HostList } from "./host-list.ts";

/** What {@link createUrlGuard} needs to know. */
export interface UrlGuardOptions {
  /** Opens 127.0.0.0/8, ::1 and the name localhost, and nothing else. */
  readonly allowLoopback: boolean;
  /**
   * Adds to what is allowed: a name or suffix is let through and may resolve to private addresses; an address or
   * network is let through if it is private. Loopback, link-local and metadata addresses are not opened by this.
   */
  readonly allowHosts?: readonly string[];
  /** Adds to what is forbidden: names, suffixes, addresses, networks; stronger than every allowance. */
  readonly blockHosts?: readonly string[];
  /** How a name becomes addresses; default: the operating system's resolver. */
  readonly resolve?: ResolveHost;
}

/** ResolveHost asks for every address of a name, as `dns.lookup` with `all` does. */
export type ResolveHost = (
  hostname: string,
  options: dns.LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void,
) => void;

/** UrlGuard keeps webhooks out of the network behind the server. */
export interface UrlGuard {
  /**
   * Says why a webhook may not go to this URL, or undefined if it may. It is called when a webhook is created and again
   * before each call: a literal address in a URL is never looked up, so this is the only check that it meets.
   */
  check(url: string): string | undefined;
  /** The lookup function for a connection: it fails if any resolved address is forbidden, so DNS cannot rebind. */
  readonly lookup: LookupFunction;
}

/** ForbiddenAddressError is what a guarded lookup fails with when a name leads to where no webhook may go. */
export class ForbiddenAddressError extends Error {
  override readonly name = "ForbiddenAddressError";
  readonly code = "EFORBIDDENADDRESS";
}

/** Names that mean this machine, this network or a cloud's metadata service, in lower case. */
const forbiddenNames: ReadonlySet<string> = new Set([
  "localhost",
  "ip6-localhost",
  "ip6-loopback",
  "metadata",
  "metadata.goog",
  "instance-data",
]);

/** Suffixes that public DNS never resolves. */
const forbiddenSuffixes: readonly string[] = [
  ".localhost",
  ".local",
  ".localdomain",
  ".internal",
  ".intranet",
  ".private",
  ".corp",
  ".home",
  ".lan",
  ".home.arpa",
  ".svc",
  ".metadata.goog",
];

/**
 * createUrlGuard makes the guard from an operator's settings. Only http and https URLs without credentials pass, to
 * hosts on the internet, plus what the settings open.
 *
 * @throws Error if an entry of a list is malformed.
 */
export function createUrlGuard(options: UrlGuardOptions): UrlGuard {
  const allowed = createHostList(options.allowHosts ?? []);
  const blocked = createHostList(options.blockHosts ?? []);
  const rules: GuardRules = { allowLoopback: options.allowLoopback, allowed, blocked };
  const resolve: ResolveHost = options.resolve ?? dns.lookup;
  return {
    check: (url) => whyUrlForbidden(url, rules),
    lookup: (hostname, lookupOptions, callback) => {
      const nameForbidden = whyNameForbidden(normalName(hostname), rules);
      if (nameForbidden !== undefined) return callback(new ForbiddenAddressError(nameForbidden), "");
      resolve(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, "");
        const [first] = addresses;
        if (first === undefined) return callback(noAddress(hostname), "");
        for (const { address } of addresses) {
          const why = whyResolvedForbidden(hostname, address, rules);
          if (why !== undefined) return callback(new ForbiddenAddressError(why), "");
        }
        if (lookupOptions.all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      });
    },
  };
}

interface GuardRules {
  readonly allowLoopback: boolean;
  readonly allowed: HostList;
  readonly blocked: HostList;
}

function whyUrlForbidden(url: string, rules: GuardRules): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null) return "it is not a valid absolute URL";
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    return `scheme "${parsed.protocol.slice(0, -1)}" is not allowed, only http and https are`;
  }
  if (parsed.username !== "" || parsed.password !== "") {
    return "it holds credentials; send them in a header instead";
  }
  if (parsed.port === "0") return "port 0 is not allowed, only 1 to 65535 are";
  // The parser has turned decimal, octal, hexadecimal, short and full-width forms of IPv4 into dotted decimal by now.
  const host = parsed.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) === 0) return whyNameForbidden(normalName(host), rules);
  return isAddressAllowed(host, rules, false) ? undefined : `address ${host} is not allowed${wayOut(host)}`;
}

function whyNameForbidden(name: string, rules: GuardRules): string | undefined {
  if (rules.blocked.hasName(name)) return `host "${name}" is blocked by this server's settings`;
  if (rules.allowLoopback && name === "localhost") return undefined;
  if (isLoopbackName(name))
    return `host "${name}" is this machine (loopback), which only MILLPOND_WEBHOOK_ALLOW_LOOPBACK opens`;
  if (rules.allowed.hasName(name)) return undefined;
  const isPublic = name.includes(".") && !forbiddenSuffixes.some((suffix) => name.endsWith(suffix));
  if (isPublic && !forbiddenNames.has(name)) return undefined;
  return `host "${name}" is not on the internet; an operator can add it to MILLPOND_WEBHOOK_ALLOW_HOSTS`;
}

function whyResolvedForbidden(hostname: string, address: string, rules: GuardRules): string | undefined {
  if (isAddressAllowed(address, rules, rules.allowed.hasName(normalName(hostname)))) return undefined;
  return `host "${hostname}" resolves to ${address}, which is not allowed${wayOut(address)}`;
}

function isAddressAllowed(address: string, rules: GuardRules, nameIsAllowed: boolean): boolean {
  if (rules.blocked.hasAddress(address) || rules.blocked.hasAddress(embeddedIpv4(address) ?? "")) return false;
  const kind = addressKind(address);
  switch (kind) {
    case "public":
      return true;
    case "loopback":
      return rules.allowLoopback;
    case "private":
      return nameIsAllowed || rules.allowed.hasAddress(address);
    case "metadata":
    case "special":
      return false;
    default:
      return kind satisfies never;
  }
}

function wayOut(address: string): string {
  switch (addressKind(address)) {
    case "loopback":
      return ": it is loopback, which only MILLPOND_WEBHOOK_ALLOW_LOOPBACK opens";
    case "private":
      return ": it is private; an operator can add it to MILLPOND_WEBHOOK_ALLOW_HOSTS";
    case "metadata":
      return ": it serves a cloud's metadata";
    default:
      return "";
  }
}

function isLoopbackName(name: string): boolean {
  return name === "localhost" || name === "ip6-localhost" || name === "ip6-loopback" || name.endsWith(".localhost");
}

function normalName(hostname: string): string {
  return hostname.toLowerCase().replace(/\.+$/, "");
}

function noAddress(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no address found for ${hostname}`), { code: "ENOTFOUND" });
}
