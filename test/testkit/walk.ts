import { expect } from 'vitest';

/** Which page is wanted. */
export interface PageArguments {
  readonly first?: number;
  readonly last?: number;
  readonly after?: string;
  readonly before?: string;
}

export interface PageAnswer {
  readonly edges: readonly { readonly node: { readonly id: string } }[];
  readonly pageInfo: {
    readonly startCursor?: string | null;
    readonly endCursor?: string | null;
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
  };
}

export type ReadPage = (page: PageArguments) => Promise<PageAnswer>;

/** More than any list of a test has, so that a cursor that does not move on fails instead of running for ever. */
const pagesMax = 150;

/** Reads a list page by page from one end to the other, and gives the ids of each page. */
export async function walk(
  read: ReadPage,
  size: number,
  backward: boolean,
  between: (pages: readonly (readonly string[])[]) => Promise<void> = async () => {},
): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor: string | null | undefined;
  for (;;) {
    const from = cursor ? (backward ? { before: cursor } : { after: cursor }) : {};
    const { edges, pageInfo } = await read({ ...(backward ? { last: size } : { first: size }), ...from });
    pages.push(edges.map(({ node }) => node.id));
    if (pages.length > pagesMax) throw new Error(`The list has no end: ${pages.length} pages were read.`);
    expect(edges.length).toBeLessThanOrEqual(size);
    expect(backward ? pageInfo.hasNextPage : pageInfo.hasPreviousPage).toBe(cursor !== undefined);
    if (!(backward ? pageInfo.hasPreviousPage : pageInfo.hasNextPage)) return backward ? pages.reverse() : pages;
    cursor = backward ? pageInfo.startCursor : pageInfo.endCursor;
    await between(pages);
  }
}
