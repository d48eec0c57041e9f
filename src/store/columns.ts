/** The values of some rows, in their order, as an array of the database. */
export function column<Row, Value>(rows: readonly Row[], read: (row: Row) => Value): Value[] {
  const values = new Array<Value>(rows.length);
  for (let n = 0; n < rows.length; n += 1) values[n] = read(rows[n] as Row);
  return values;
}

/** As {@link column}; null where it would hold nothing but the usual value, which is not sent. */
export function sparseColumn<Row, Value>(
  rows: readonly Row[],
  read: (row: Row) => Value,
  usual: Value,
): Value[] | null {
  for (let n = 0; n < rows.length; n += 1) if (read(rows[n] as Row) !== usual) return column(rows, read);
  return null;
}

/** As {@link column}; of values that are all the same, one: functions that take such an array fill it (`mp_fill`). To write a thousand of the same and read them again is a good part of what a row costs. */
export function shortColumn<Row, Value>(rows: readonly Row[], read: (row: Row) => Value): readonly Value[] {
  return shortened(column(rows, read));
}

/** The first of values that are all the same; else all of them. */
export function shortened<Value>(values: readonly Value[]): readonly Value[] {
  for (let n = 1; n < values.length; n += 1) if (values[n] !== values[0]) return values;
  return values.slice(0, 1);
}
