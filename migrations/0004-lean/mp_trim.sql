-- An array of which all elements are equal, as one of them.
create function mp_trim(a anyarray) returns anyarray language sql immutable as $$
  select case when cardinality(a) > 1 then case when a = array_fill(a[1], array[cardinality(a)]) then a[1:1] else a end else a end
$$;
