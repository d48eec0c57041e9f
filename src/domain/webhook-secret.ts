/** A secret that webhooks are signed with, as receivers are given it: the form of Standard Webhooks. */
export function secretText(secret: Uint8Array): string {
  return `whsec_${Buffer.from(secret).toString("base64")}`;
}
