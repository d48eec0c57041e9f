import { createHash } from "node:crypto";
import { MillpondError } from "../domain/errors.ts";
import type { GraphPlace } from "../domain/graph-lookup.ts";

/** A page of a list: how many rows, and below which id it begins. */
export interface PageRequest {
  readonly size: number;
  readonly before: bigint | undefined;
}

const pageSizeDefault = 50;
const pageSizeMax = 1000;
const idMax = (1n << 63n) - 1n;

/** Reads page_size (0: 50, above 1000: 1000) and page_token, which is bound to the filters: PAGE_TOKEN_MISMATCH for any others. */
export function decodePage(
  request: { readonly pageSize: number; readonly pageToken: string },
  filters: string,
): PageRequest {
  const size = sizeOf(request);
  if (request.pageToken === "") return { size, before: undefined };
  const match = /^p([0-9a-f]{12})-(\d{1,19})$/.exec(Buffer.from(request.pageToken, "base64url").toString());
  const before = BigInt(match?.[2] ?? 0);
  if (match === null || match[1] !== digest(filters) || before > idMax) throw mismatch();
  return { size, before };
}

/** Writes the token of the next page; empty at the end. */
export function encodePageToken(before: bigint | undefined, filters: string): string {
  return before === undefined ? "" : Buffer.from(`p${digest(filters)}-${before}`).toString("base64url");
}

/** Reads page_size and page_token of a page of a graph, in the same way. */
export function decodeGraphPage(
  request: { readonly pageSize: number; readonly pageToken: string },
  filters: string,
): { size: number; after: GraphPlace | undefined } {
  const size = sizeOf(request);
  if (request.pageToken === "") return { size, after: undefined };
  const text = Buffer.from(request.pageToken, "base64url").toString();
  const match = /^g([0-9a-f]{12})-([0-9a-f]{12})-(\d{1,9})-(\d{1,19})$/.exec(text);
  if (match === null || match[1] !== digest(filters)) throw mismatch();
  const [version = "", level, id = ""] = match.slice(2);
  return { size, after: { version, level: Number(level), id: BigInt(id) } };
}

/** Writes the token of the next page of a graph; empty at the end. */
export function encodeGraphPageToken(after: GraphPlace | undefined, filters: string): string {
  if (after === undefined) return "";
  return Buffer.from(`g${digest(filters)}-${after.version}-${after.level}-${after.id}`).toString("base64url");
}

/** Reads page_size and page_token of a page of a list by name, in the same way: the name after which it begins; empty: the first page. */
export function decodeNamePage(
  request: { readonly pageSize: number; readonly pageToken: string },
  filters: string,
): { size: number; after: string } {
  const size = sizeOf(request);
  if (request.pageToken === "") return { size, after: "" };
  const match = /^n([0-9a-f]{12})-(.{1,255})$/su.exec(Buffer.from(request.pageToken, "base64url").toString());
  const [, digestOfFilters, after = ""] = match ?? [];
  if (digestOfFilters !== digest(filters) || after.includes("\0")) throw mismatch();
  return { size, after };
}

/** Writes the token of the next page of a list by name; empty at the end. */
export function encodeNamePageToken(after: string | undefined, filters: string): string {
  return after === undefined ? "" : Buffer.from(`n${digest(filters)}-${after}`).toString("base64url");
}

function sizeOf(request: { readonly pageSize: number }): number {
  return request.pageSize === 0 ? pageSizeDefault : Math.min(request.pageSize, pageSizeMax);
}

function mismatch(): MillpondError {
  const message = "page_token belongs to a list with other filters, or to none; send the same filters with each page";
  return new MillpondError("PAGE_TOKEN_MISMATCH", message, {
    violations: [{ field: "page_token", description: "does not belong to a list with these filters" }],
  });
}

function digest(filters: string): string {
  return createHash("sha256").update(filters).digest("hex").slice(0, 12);
}
