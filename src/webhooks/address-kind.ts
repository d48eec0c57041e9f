import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * AddressKind says where an IP address leads: `public` is the internet; `loopback` and `private` can be opened by an
 * operator's setting; `metadata` (a cloud's credentials) and `special` (everything else that is no ordinary host:
 * link-local, multicast, unspecified, reserved, transition addresses) never can.
 */
export type AddressKind = "public" | "loopback" | "private" | "metadata" | "special";

/** Addresses at which clouds serve credentials: AWS, GCP, Azure, Alibaba and Oracle. */
const metadataAddresses: ReadonlySet<string> = new Set([
  "169.254.169.254",
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.192",
  "fd00:ec2::254",
  "fd20:ce::254",
]);

/**
 * addressKind classifies a literal IPv4 or IPv6 address. An IPv6 address that carries an IPv4 one (mapped, NAT64,
 * ISATAP) is public only if that one is. Anything that is not an address is `special`, and so are addresses with a zone
 * id and the deprecated tunnels (6to4, Teredo, IPv4-compatible), whatever they carry.
 */
export function addressKind(address: string): AddressKind {
  if (isIP(address) === 0 || address.includes("%")) return "special";
  const parsed = ipaddr.parse(address);
  if (metadataAddresses.has(parsed.toString())) return "metadata";
  return parsed instanceof ipaddr.IPv4 ? kindOfIpv4(parsed) : kindOfIpv6(parsed as ipaddr.IPv6);
}

function kindOfIpv4(address: ipaddr.IPv4): AddressKind {
  switch (address.range()) {
    case "unicast":
      return "public";
    case "loopback":
      return "loopback";
    case "private":
    case "carrierGradeNat":
      return "private";
    default:
      return "special";
  }
}

function kindOfIpv6(address: ipaddr.IPv6): AddressKind {
  const range = address.range();
  if (range === "loopback") return "loopback";
  if (range === "uniqueLocal") return "private";
  const embedded = embeddedIpv4(address.toString());
  if (embedded !== undefined) {
    const kind = addressKind(embedded);
    return kind === "public" || kind === "metadata" ? kind : "special";
  }
  // Only 2000::/3 is assigned to hosts of the internet; ipaddr.js calls everything that it has no name for unicast.
  const isGlobal = ((address.parts[0] ?? 0) & 0xe000) === 0x2000;
  return range === "unicast" && isGlobal ? "public" : "special";
}

/** embeddedIpv4 takes the IPv4 address out of a mapped, NAT64 or ISATAP IPv6 address; undefined if there is none. */
export function embeddedIpv4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  const { parts } = parsed;
  const embeds = parsed.isIPv4MappedAddress() || isWellKnownNat64(parts) || isIsatap(parts);
  if (!embeds) return undefined;
  const [high = 0, low = 0] = parts.slice(6);
  return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
}

/** 64:ff9b::/96 (RFC 6052), which DNS64 answers with on networks without IPv4; its local twin 64:ff9b:1::/48 is special. */
function isWellKnownNat64(parts: readonly number[]): boolean {
  return parts[0] === 0x64 && parts[1] === 0xff9b && parts.slice(2, 6).every((part) => part === 0);
}

/** A global address with an interface id of ::[02]00:5efe:a.b.c.d (RFC 5214). */
function isIsatap(parts: readonly number[]): boolean {
  return ((parts[0] ?? 0) & 0xe000) === 0x2000 && ((parts[4] ?? 0) & 0xfdff) === 0 && parts[5] === 0x5efe;
}
