import { Prisma } from '../database/generated/client.ts';
import { planForItsValues } from '../database/plans.ts';
import { foldName } from './commands/validation.ts';

type Optional<Value> = Value | null | undefined;

/** What a `TextFilter` or an `ExactTextFilter` holds. */
export interface TextConditions {
  readonly equals?: Optional<string>;
  readonly startsWith?: Optional<string>;
  readonly contains?: Optional<string>;
}

/** What a `DateTimeRange` holds. */
export interface TimeConditions {
  readonly from?: Optional<Date>;
  readonly until?: Optional<Date>;
}

const { sql } = Prisma;

/** The conditions of a filter in SQL: those of its fields that were given. */
export class Conditions {
  readonly all: Prisma.Sql[] = [];

  add<Value>(value: Optional<Value>, condition: (value: Value) => Prisma.Sql): this {
    if (value !== undefined && value !== null) this.all.push(planForItsValues(condition(value)));
    return this;
  }

  /** Compares a text as it is stored, bytewise. The column has COLLATE "C". */
  text(column: Prisma.Sql, filter: Optional<TextConditions>): this {
    return (
      this.add(filter?.equals, (text) => sql`${column} = ${text}`)
        // A range, and not LIKE, since the index answers it whatever the text: sorted bytewise, nothing is after U+10FFFF.
        .add(filter?.startsWith, (text) => sql`${column} >= ${text} AND ${column} < ${`${text}\u{10ffff}`}`)
        .add(filter?.contains, (text) => sql`${column} LIKE ${`%${text.replace(/[\\%_]/g, '\\$&')}%`}`)
    );
  }

  /** Compares a name without regard to case. @param column the folded name */
  name(column: Prisma.Sql, filter: Optional<TextConditions>): this {
    const fold = (text: Optional<string>) => (typeof text === 'string' ? foldName(text) : text);
    return this.text(column, {
      equals: fold(filter?.equals?.trim()),
      startsWith: fold(filter?.startsWith),
      contains: fold(filter?.contains),
    });
  }

  time(column: Prisma.Sql, range: Optional<TimeConditions>): this {
    return this.add(range?.from, (from) => sql`${column} >= ${from}`).add(
      range?.until,
      (until) => sql`${column} < ${until}`,
    );
  }
}
