import { BlockList, isIP } from "node:net";

/** HostList answers whether a host name or an address is on an operator's list. */
export interface HostList {
  /** True if the lower-case name without a trailing dot is listed, itself or by a suffix. */
  hasName(name: string): boolean;
  /** True if the literal address is listed, itself or by a network. */
  hasAddress(address: string): boolean;
}

/**
 * createHostList reads an operator's list. An entry is a host name (`ci.example.com`), a suffix (`*.example.com`, which
 * does not hold `example.com` itself), an address, or a network in CIDR form (`10.1.0.0/16`).
 *
 * @throws Error that shows the entry, if it is none of these.
 */
export function createHostList(entries: readonly string[]): HostList {
  const names = new Set<string>();
  const suffixes: string[] = [];
  const addresses = new BlockList();
  for (const entry of entries) {
    const text = entry.trim().toLowerCase();
    if (addAddress(addresses, text)) continue;
    if (!/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/.test(text)) {
      throw new Error(
        `"${entry}" is not a host name, a suffix like *.example.com, an address or a network in CIDR form`,
      );
    }
    const name = text.replace(/\.$/, "");
    if (name.startsWith("*.")) suffixes.push(name.slice(1));
    else names.add(name);
  }
  return {
    hasName: (name) => names.has(name) || suffixes.some((suffix) => name.endsWith(suffix)),
    hasAddress: (address) => {
      const version = isIP(address);
      return version !== 0 && addresses.check(address, version === 4 ? "ipv4" : "ipv6");
    },
  };
}

function addAddress(addresses: BlockList, text: string): boolean {
  const [base = "", prefix, ...rest] = text.split("/");
  const version = isIP(base);
  if (version === 0 || rest.length > 0) return false;
  const family = version === 4 ? "ipv4" : "ipv6";
  if (prefix === undefined) {
    addresses.addAddress(base, family);
    return true;
  }
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)) return false;
  addresses.addSubnet(base, Number(prefix), family);
  return true;
}
