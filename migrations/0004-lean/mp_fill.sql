-- An array with so many elements: its last one is repeated.
create function mp_fill(a anyarray, n integer) returns anyarray language sql immutable as $$
  select case when cardinality(a) < n then a || array_fill(a[cardinality(a)], array[n - cardinality(a)]) else a end
$$;
