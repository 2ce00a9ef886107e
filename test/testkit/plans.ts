import pg from 'pg';
import type { SentStatement } from '../../src/database/statements.ts';

/** What a statement really read. */
export interface Plan {
  /** Tables that were read from one end to the other. */
  readonly sequentialScans: readonly string[];
  /** Pages of 8 KiB, of tables and indexes, whether they were in memory or not. */
  readonly pagesRead: number;
  /** The rows that its busiest step looked at, of a table or of an index in its order. */
  readonly rowsSeen: number;
  /** Its steps, from the last to the first. */
  readonly steps: string;
}

interface Step {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Step[];
}

const stepsOf = (step: Step): Step[] => [step, ...(step.Plans ?? []).flatMap(stepsOf)];

function planOf(last: Step): Plan {
  const steps = stepsOf(last);
  return {
    sequentialScans: steps.flatMap((step) =>
      step['Node Type'] === 'Seq Scan' ? [step['Relation Name'] ?? 'unknown'] : [],
    ),
    pagesRead: last['Shared Hit Blocks'] + last['Shared Read Blocks'],
    rowsSeen: Math.max(
      ...steps
        .filter((step) => step['Node Type'] !== 'Bitmap Index Scan')
        .map((step) => (step['Actual Rows'] + (step['Rows Removed by Filter'] ?? 0)) * step['Actual Loops']),
    ),
    steps: steps.map((step) => [step['Node Type'], step['Index Name']].filter(Boolean).join(' ')).join(' < '),
  };
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Date) return pg.escapeLiteral(value.toISOString());
  if (Array.isArray(value)) return pg.escapeLiteral(`{${value.map((each) => JSON.stringify(String(each))).join(',')}}`);
  return typeof value === 'number' ? String(value) : pg.escapeLiteral(String(value));
}

/** From this call on Postgres may use a plan that it made for all values. */
const genericFrom = 6;

/**
 * Carries a statement out and gives its plan. Of one that is kept prepared the plans of the first call and of a later
 * one, which can be another.
 */
export async function explain(connection: pg.Client, { text, values, name }: SentStatement): Promise<Plan[]> {
  const given = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`;
  const execute = async (): Promise<Plan> => {
    const { rows } = await connection.query<{ 'QUERY PLAN': readonly [{ readonly Plan: Step }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE explained${given}`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('There is no plan.');
    return planOf(row['QUERY PLAN'][0].Plan);
  };
  await connection.query(`PREPARE explained AS ${text}`);
  try {
    const first = await execute();
    if (name === undefined) return [first];
    for (let call = 2; call < genericFrom; call += 1) await execute();
    return [first, await execute()];
  } finally {
    await connection.query('DEALLOCATE explained');
  }
}
