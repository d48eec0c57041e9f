/** The contract's largest page. */
const pageSizeMax = 1_000;

/** Page is one answer of a call that lists. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextPageToken: string;
}

/** collectPages asks for pages until it has `limit` items or there are no more. The token that is left leads to what follows. */
export async function collectPages<Item>(
  limit: number,
  firstToken: string | undefined,
  ask: (request: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page<Item>>,
): Promise<{ readonly items: Item[]; readonly nextPageToken: string }> {
  const items: Item[] = [];
  let pageToken = firstToken ?? "";
  do {
    const page = await ask({ pageSize: Math.min(pageSizeMax, limit - items.length), pageToken });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && items.length < limit);
  return { items, nextPageToken: pageToken };
}
