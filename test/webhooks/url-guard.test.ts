import { BlockList, type LookupFunction } from "node:net";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { addressKind } from "../../src/webhooks/address-kind.ts";
import {
  createUrlGuard,
  ForbiddenAddressError,
  type UrlGuard,
  type UrlGuardOptions,
} from "../../src/webhooks/url-guard.ts";

const strict = createUrlGuard({ allowLoopback: false });
const local = createUrlGuard({ allowLoopback: true });

describe("URLs to the internet pass", () => {
  test.each([
    "http://example.com",
    "https://example.com:8443/a?b=c#d",
    "https://EXAMPLE.com./path",
    "http://8.8.8.8/",
    "http://93.184.216.34:65535/",
    "http://172.15.255.255/",
    "http://172.32.0.1/",
    "http://100.63.255.255/",
    "http://100.128.0.1/",
    "http://[2606:4700:4700::1111]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[64:ff9b::808:808]/",
    "https://münchen.example.org/",
    "http://locale.example.com/",
    "http://notlocalhost.com/",
    "http://internal.example.com/",
  ])("%s", (url) => {
    expect(strict.check(url)).toBeUndefined();
  });
});

describe("URLs that are not plain http are refused", () => {
  test.each([
    ["ftp://example.com/", /scheme "ftp"/],
    ["file:///etc/passwd", /scheme "file"/],
    ["gopher://example.com/", /scheme "gopher"/],
    ["javascript:alert(1)", /scheme "javascript"/],
    ["unix:/var/run/docker.sock", /scheme "unix"/],
    ["http://user:pw@example.com/", /credentials/],
    ["http://user@example.com/", /credentials/],
    ["http://:pw@example.com/", /credentials/],
    ["http://example.com@127.0.0.1/", /credentials/],
    ["http://example.com:0/", /port 0/],
    ["http://example.com:65536/", /not a valid/],
    ["http://example.com:-1/", /not a valid/],
    ["http://example.com:http/", /not a valid/],
    ["http://[fe80::1%25eth0]/", /not a valid/],
    ["http://[fe80::1%eth0]/", /not a valid/],
    ["http://1.2.3.256/", /not a valid/],
    ["http://1.2.3.4.5/", /not a valid/],
    ["http://exa mple.com/", /not a valid/],
    ["//example.com/", /not a valid/],
    ["/start", /not a valid/],
    ["", /not a valid/],
  ])("%s", (url, reason) => {
    expect(local.check(url)).toMatch(reason);
  });

  it("never repeats a password", () => {
    expect(strict.check("http://user:hunter2@example.com/")).not.toContain("hunter2");
  });
});

/** Every spelling leads to loopback, and only the loopback setting opens it. */
const loopback = [
  "http://127.0.0.1/",
  "http://127.0.0.1./",
  "http://127.255.255.254/",
  "http://127.1/",
  "http://127.0.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://0x7F.0x0.0x0.0x1/",
  "http://１２７.０.０.１/",
  "http://127。0。0。1/",
  "http://%31%32%37.0.0.1/",
  "http:\\\\127.0.0.1/",
  "http:/127.0.0.1/",
  "http://12\t7.0.0.1/",
  "http://[::1]/",
  "http://[0:0:0:0:0:0:0:1]/",
  "http://[::0.0.0.1]/",
  "http://localhost:8080/",
  "http://LOCALHOST/",
  "http://localhost./",
  "http://localhost../",
  "http://%6cocalhost/",
  "http://ⓛocalhost/",
];
describe("loopback is refused unless the setting opens it", () => {
  test.each(loopback)("%s", (url) => {
    expect(strict.check(url)).toMatch(/loopback/);
    expect(local.check(url)).toBeUndefined();
  });
});

describe("what is not on the internet is refused, with the loopback setting too", () => {
  test.each([
    // names
    "http://x.localhost/",
    "http://ip6-localhost/",
    "http://printer.local/",
    "http://printer.local./",
    "http://api.internal/",
    "http://metadata.google.internal/",
    "http://metadata.goog/",
    "http://metadata/",
    "http://instance-data/latest",
    "http://localhost.localdomain/",
    "http://nas.lan/",
    "http://router.home.arpa/",
    "http://kubernetes.default.svc/",
    "http://postgres/",
    // IPv4
    "http://0.0.0.0/",
    "http://0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://10.1/",
    "http://0xa000001/",
    "http://012.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://3232235777/",
    "http://169.254.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://169.254.169.254./",
    "http://0xA9FEA9FE/",
    "http://2852039166/",
    "http://0251.0376.0251.0376/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    // IPv6
    "http://[::]/",
    "http://[::2]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[2001:2::1]/",
    "http://[2001:10::1]/",
    "http://[5f00::1]/",
    "http://[4000::1]/",
    // IPv4 inside IPv6
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:0.0.0.0]/",
    "http://[::ffff:0:10.0.0.1]/",
    "http://[::10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::8.8.8.8]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a00:1::1]/",
    "http://[2002:808:808::1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::808:808]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[2a00:1450:4001::5efe:10.0.0.1]/",
    "http://[2a00:1450:4001:0:200:5efe:a00:1]/",
  ])("%s", (url) => {
    expect(strict.check(url)).toEqual(expect.any(String));
    expect(local.check(url)).toEqual(expect.any(String));
  });
});

describe("address kinds", () => {
  /** The special-purpose registry of IANA, written down a second time. */
  const notPublic = new BlockList();
  for (const [base, prefix] of [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["168.63.129.16", 32],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
    ["192.31.196.0", 24],
    ["192.52.193.0", 24],
    ["192.88.99.0", 24],
    ["192.168.0.0", 16],
    ["192.175.48.0", 24],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 3],
  ] as const) {
    notPublic.addSubnet(base, prefix);
  }
  const octet = fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 100, 127, 168, 169, 172, 192, 198, 203, 254));
  const octets = fc.tuple(octet, octet, octet, octet);

  it("calls an IPv4 address public exactly if no special-purpose network holds it", () => {
    fc.assert(
      fc.property(octets, (parts) => {
        const address = parts.join(".");
        expect(addressKind(address) === "public").toBe(!notPublic.check(address));
      }),
      { numRuns: 2000 },
    );
  });

  it("decides alike on every spelling of an IPv4 address, also inside IPv6", () => {
    fc.assert(
      fc.property(octets, ([a, b, c, d]) => {
        const number = ((a * 256 + b) * 256 + c) * 256 + d;
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        const isAllowed = strict.check(`http://${a}.${b}.${c}.${d}/`) === undefined;
        for (const host of [
          String(number),
          `0x${number.toString(16)}`,
          `0${number.toString(8)}`,
          `${a}.${(b << 16) | (c << 8) | d}`,
          `0${a.toString(8)}.0x${b.toString(16)}.${c}.${d}.`,
          `[::ffff:${hex}]`,
          `[64:ff9b::${hex}]`,
        ]) {
          expect([host, strict.check(`http://${host}/`) === undefined]).toEqual([host, isAllowed]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("never calls what is no address public", () => {
    for (const text of ["", "example.com", "127.1", "1.2.3", "fe80::1%eth0", "2606:4700::1%1", "8.8.8.8 "]) {
      expect(addressKind(text)).toBe("special");
    }
  });
});

describe("the operator's lists", () => {
  const guard = createUrlGuard({
    allowLoopback: false,
    allowHosts: ["receiver", "*.svc.cluster.local", "10.1.0.0/16", "fd12::/16", "192.168.7.7"],
    blockHosts: ["evil.example.com", "*.blocked.example", "93.184.0.0/16", "10.1.9.9"],
  });

  test.each([
    "http://receiver:8080/",
    "http://api.svc.cluster.local/",
    "http://10.1.2.3/",
    "http://[fd12::1]/",
    "http://192.168.7.7/",
    "http://example.com/",
  ])("let %s through", (url) => {
    expect(guard.check(url)).toBeUndefined();
  });

  test.each([
    "http://svc.cluster.local/",
    "http://other/",
    "http://10.2.0.1/",
    "http://192.168.7.8/",
    "http://127.0.0.1/",
    "http://evil.example.com/",
    "http://EVIL.example.com./",
    "http://a.b.blocked.example/",
    "http://93.184.216.34/",
    "http://[::ffff:93.184.216.34]/",
    "http://[64:ff9b::5db8:d822]/",
    "http://10.1.9.9/",
  ])("keep %s out", (url) => {
    expect(guard.check(url)).toEqual(expect.any(String));
  });

  it("open neither loopback nor metadata nor link-local", () => {
    const wide = createUrlGuard({
      allowLoopback: false,
      allowHosts: ["0.0.0.0/0", "::/0", "localhost", "*.localhost", "metadata.google.internal"],
    });
    for (const host of [
      "127.0.0.1",
      "[::1]",
      "169.254.169.254",
      "169.254.1.1",
      "[fd00:ec2::254]",
      "localhost",
      "a.localhost",
    ]) {
      expect([host, wide.check(`http://${host}/`)]).toEqual([host, expect.any(String)]);
    }
    expect(wide.check("http://10.0.0.1/")).toBeUndefined();
  });

  it("block loopback also where it is open", () => {
    const both = createUrlGuard({ allowLoopback: true, blockHosts: ["127.0.0.5", "localhost"] });
    expect(both.check("http://127.0.0.5/")).toMatch(/not allowed/);
    expect(both.check("http://localhost/")).toMatch(/blocked/);
    expect(both.check("http://127.0.0.1/")).toBeUndefined();
  });

  test.each([
    "",
    "10.0.0.0/33",
    "10.0.0.0/",
    "::/129",
    "10.0.0.0/8/8",
    "http://example.com",
    "a..b",
    "*",
    "*.*.com",
    "a b",
  ])("refuse the entry %j at start-up", (entry) => {
    expect(() => createUrlGuard({ allowLoopback: false, allowHosts: [entry] })).toThrow(JSON.stringify(entry));
  });
});

describe("the lookup of a connection", () => {
  it("gives what the resolver found, in both forms", async () => {
    const guard = guardWith(["93.184.216.34", "2606:4700::1"]);
    await expect(lookUp(guard, "example.com", { all: true })).resolves.toEqual([
      { address: "93.184.216.34", family: 4 },
      { address: "2606:4700::1", family: 6 },
    ]);
    await expect(lookUp(guard, "example.com", {})).resolves.toBe("93.184.216.34");
  });

  test.each(["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1%eth0", "0.0.0.0"])(
    "fails if any of the addresses is %s",
    async (address) => {
      const guard = guardWith(["93.184.216.34", address]);
      const error = await lookUp(guard, "rebind.example.com", { all: true }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(ForbiddenAddressError);
      expect(String(error)).toContain(address);
    },
  );

  it("follows an answer that changes from one look-up to the next", async () => {
    const answers = ["93.184.216.34", "127.0.0.1"];
    const guard = createUrlGuard({
      allowLoopback: false,
      resolve: (_host, _options, done) => done(null, [{ address: answers.shift() ?? "", family: 4 }]),
    });
    await expect(lookUp(guard, "rebind.example.com", { all: true })).resolves.toHaveLength(1);
    await expect(lookUp(guard, "rebind.example.com", { all: true })).rejects.toThrow(/127\.0\.0\.1/);
  });

  it("lets an allowed name resolve to private addresses, but not to loopback or metadata", async () => {
    const allowHosts = ["receiver"];
    await expect(lookUp(guardWith(["172.18.0.2"], { allowHosts }), "receiver", {})).resolves.toBe("172.18.0.2");
    await expect(lookUp(guardWith(["172.18.0.2"], { allowHosts }), "a.example.com", {})).rejects.toThrow(/private/);
    await expect(lookUp(guardWith(["127.0.0.1"], { allowHosts }), "receiver", {})).rejects.toThrow(/loopback/);
    await expect(lookUp(guardWith(["169.254.169.254"], { allowHosts }), "receiver", {})).rejects.toThrow(/metadata/);
  });

  it("refuses a forbidden name without asking the resolver, and passes the resolver's own error on", async () => {
    await expect(lookUp(guardWith(["93.184.216.34"]), "printer.local", {})).rejects.toThrow(ForbiddenAddressError);
    await expect(lookUp(guardWith([]), "example.com", {})).rejects.toMatchObject({ code: "ENOTFOUND" });
    const failing = createUrlGuard({
      allowLoopback: false,
      resolve: (_host, _options, done) => done(Object.assign(new Error("try again"), { code: "EAI_AGAIN" }), []),
    });
    await expect(lookUp(failing, "example.com", {})).rejects.toMatchObject({ code: "EAI_AGAIN" });
  });
});

function guardWith(addresses: string[], options: Partial<UrlGuardOptions> = {}): UrlGuard {
  return createUrlGuard({
    allowLoopback: false,
    ...options,
    resolve: (_hostname, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      ),
  });
}

function lookUp(guard: UrlGuard, hostname: string, options: Parameters<LookupFunction>[1]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guard.lookup(hostname, options, (error, address) => (error ? reject(error) : resolve(address)));
  });
}
