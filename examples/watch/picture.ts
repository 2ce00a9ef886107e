import { styleText } from 'node:util';
import type {
  WatchedActivityFragment,
  WatchedShareFragment,
  WatchFairshareSubscription,
  WatchStatsSubscription,
} from '../generated/graphql.ts';
import type { Size } from './screen.ts';

type Fairshare = WatchFairshareSubscription['fairshareLive'];
type Stats = WatchStatsSubscription['statsLive'];

/** What is known: undefined is what has not come yet. */
export interface Watched {
  readonly fairshare: Fairshare | undefined;
  readonly stats: Stats | undefined;
  readonly isConnected: boolean;
  /** The model whose slots are shown; undefined: all. */
  readonly pool: string | undefined;
}

type Style = Parameters<typeof styleText>[0];

interface Cell {
  readonly text: string;
  readonly style?: Style;
}

interface Row {
  readonly name: string;
  readonly isGroup: boolean;
  readonly share: WatchedShareFragment;
}

const barColumns = 24;
const gap = '  ';
const gapColumns = gap.length;
/** Whoever waits and has less than this part of what its weight gives is behind. */
const behind = 0.9;

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const percent = (share: number): string => `${whole.format(100 * share)} %`;
const wait = (ms: number | null): string => {
  if (ms === null) return '–';
  return ms < 1_000 ? `${whole.format(ms)} ms` : `${oneDigit.format(ms / 1_000)} s`;
};

/** The lines of one picture, none longer than the terminal is wide and no more than it has. */
export function picture({ fairshare, stats, isConnected, pool }: Watched, size: Size): readonly string[] {
  if (fairshare === undefined) return [isConnected ? 'Waiting for the first snapshot…' : 'Connecting…'];
  const lines = [
    ...headLines({ fairshare, stats, isConnected, pool }).map((cells) => cut(cells, size.columns)),
    '',
    ...shareTable(fairshare, size.columns),
    '',
    ...poolTable(fairshare, size.columns),
  ];
  return lines.slice(0, size.rows);
}

function headLines({
  fairshare,
  stats,
  isConnected,
  pool,
}: Watched & { readonly fairshare: Fairshare }): readonly (readonly Cell[])[] {
  const { pools, tenants, asOf, algorithm } = fairshare;
  const totals = pool === undefined ? fairshare.totals : (pools[0]?.totals ?? null);
  const inFlight = totals?.inFlight ?? sum(tenants, ({ inFlight }) => inFlight);
  const queued = totals?.queued ?? sum(tenants, ({ queued }) => queued);
  const state: Cell = isConnected ? { text: 'live', style: 'green' } : { text: 'reconnecting…', style: 'red' };
  const first: Cell[] = [
    { text: 'Fairlead  ', style: 'bold' },
    state,
    { text: `  ${asOf.slice(11, 19)}  ${algorithm.toLowerCase()}  ` },
    ...(pool === undefined ? [] : [{ text: `${pools[0]?.model ?? `nothing of ${pool}`}  ` }]),
    { text: `${whole.format(inFlight)}${totals === null ? '' : ` of ${whole.format(totals.capacity)}`} in flight  ` },
    { text: `${whole.format(queued)} queued` },
  ];
  const activity = stats?.totals ?? stats?.tenants[0];
  if (activity === undefined) return [first];
  return [first, activityLine(activity, stats?.totals?.gatewaysAlive), ...refusalLine(activity)];
}

function activityLine(activity: WatchedActivityFragment, gatewaysAlive: number | undefined): readonly Cell[] {
  const { admittedPerSecond, refusedPerSecond, settledPerSecond, tokensPerSecond } = activity;
  const parts = [
    `${oneDigit.format(admittedPerSecond)} admitted/s`,
    `${oneDigit.format(settledPerSecond)} settled/s`,
    `${oneDigit.format(refusedPerSecond)} refused/s`,
    `${whole.format(tokensPerSecond)} tokens/s`,
    `waits p50 ${wait(activity.queueWaitP50Ms)}, p99 ${wait(activity.queueWaitP99Ms)}`,
    ...(gatewaysAlive === undefined ? [] : [`${gatewaysAlive} gateways alive`]),
  ];
  return [{ text: parts.join('  ') }];
}

function refusalLine({ refusals }: WatchedActivityFragment): readonly (readonly Cell[])[] {
  if (refusals.length === 0) return [];
  const parts = refusals.map(({ reason, perSecond }) => `${reason} ${oneDigit.format(perSecond)}/s`);
  return [[{ text: `refused: ${parts.join('  ')}`, style: 'yellow' }]];
}

/** Groups by their weight, with their tenants below them: a tenant's own credential sees no groups. */
function rowsOf({ groups, tenants }: Fairshare): readonly Row[] {
  const rowOf = (tenant: Fairshare['tenants'][number]): Row => ({
    name: `  ${tenant.name}`,
    isGroup: false,
    share: tenant,
  });
  const byName = tenants.toSorted((a, b) => a.name.localeCompare(b.name));
  if (groups === null) return byName.map(rowOf);
  return groups
    .toSorted((a, b) => b.weight - a.weight || a.name.localeCompare(b.name))
    .flatMap((group) => [
      { name: group.name, isGroup: true, share: group },
      ...byName.filter(({ groupName }) => groupName === group.name).map(rowOf),
    ]);
}

function shareTable(fairshare: Fairshare, columns: number): readonly string[] {
  const rows = rowsOf(fairshare).map(({ name, isGroup, share }): readonly Cell[] => {
    const { weight, inFlight, queued, weightShare, expectedSlots, slotCap, borrowed, oldestWaitMs } = share;
    // Of the same slots as the expected share.
    const has = expectedSlots === 0 ? 0 : (inFlight / expectedSlots) * weightShare;
    const isBehind = queued > 0 && has < behind * weightShare;
    return [
      { text: name, ...(isGroup && { style: 'bold' }) },
      { text: whole.format(weight) },
      { text: `${inFlight}/${slotCap}` },
      { text: whole.format(queued), ...(queued > 0 && { style: 'yellow' }) },
      { text: wait(oldestWaitMs) },
      { text: percent(has), ...(isBehind && { style: 'red' }) },
      { text: percent(weightShare) },
      { text: borrowed === 0 ? '' : `+${borrowed}`, style: 'cyan' },
      { text: bar(has, weightShare), style: isBehind ? 'red' : borrowed > 0 ? 'cyan' : 'green' },
    ];
  });
  const heads = ['group, tenant', 'weight', 'in flight', 'queued', 'oldest', 'share', 'expected', 'borrowed', ''];
  return table({ heads, rows, dispensable: ['weight', 'borrowed', 'oldest', '', 'expected'] }, columns);
}

function poolTable({ pools }: Fairshare, columns: number): readonly string[] {
  const rows = pools.flatMap(({ model, totals }): (readonly Cell[])[] => {
    if (totals === null) return [];
    const { capacity, inFlight, queued, borrowed, oldestWaitMs } = totals;
    return [
      [
        { text: model },
        { text: `${inFlight}/${capacity}`, ...(inFlight >= capacity && { style: 'yellow' }) },
        { text: whole.format(queued), ...(queued > 0 && { style: 'yellow' }) },
        { text: wait(oldestWaitMs) },
        { text: borrowed === 0 ? '' : `+${borrowed}`, style: 'cyan' },
        { text: bar(capacity === 0 ? 0 : inFlight / capacity, undefined), style: 'green' },
      ],
    ];
  });
  const heads = ['pool', 'in flight', 'queued', 'oldest', 'borrowed', ''];
  return rows.length === 0 ? [] : table({ heads, rows, dispensable: ['borrowed', 'oldest', ''] }, columns);
}

/** What somebody has, and a mark where the expected share ends. */
function bar(has: number, expected: number | undefined): string {
  const columnOf = (share: number): number => Math.min(barColumns, Math.round(share * barColumns));
  const mark = expected === undefined ? -1 : Math.max(0, columnOf(expected) - 1);
  return Array.from({ length: barColumns }, (_, column) => {
    if (column === mark) return '│';
    return column < columnOf(has) ? '█' : ' ';
  }).join('');
}

interface Table {
  readonly heads: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** What is left out of a narrow terminal, this order. */
  readonly dispensable: readonly string[];
}

/** The first column and the last, which holds a picture and has no head, to the left; figures to the right. */
function table({ heads, rows, dispensable }: Table, columns: number): readonly string[] {
  const all = [heads.map((text): Cell => ({ text, style: 'dim' })), ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => row[column]?.text.length ?? 0)) + gapColumns);
  const leftOut = new Set<number>();
  const width = () => sum(widths, (each) => each) - sum([...leftOut], (column) => widths[column] ?? 0) - gapColumns;
  for (const head of dispensable) {
    if (width() <= columns) break;
    leftOut.add(heads.indexOf(head));
  }
  return all.map((row) => {
    const cells = row.map(({ text, ...rest }, column) => {
      const own = widths[column] ?? 0;
      const isLeft = column === 0 || heads[column] === '';
      return { ...rest, text: isLeft ? text.padEnd(own) : `${text.padStart(own - gapColumns)}${gap}` };
    });
    const shown = cells.filter((_, column) => !leftOut.has(column));
    return cut(shown, columns);
  });
}

/** As much as there is room for, then with its styles: those take no room. */
function cut(cells: readonly Cell[], columns: number): string {
  let room = columns;
  const parts = cells.map(({ text, style }) => {
    const shown = text.slice(0, Math.max(0, room));
    room -= text.length;
    return style === undefined || shown.trim() === '' ? shown : styleText(style, shown);
  });
  return parts.join('').trimEnd();
}

const sum = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
