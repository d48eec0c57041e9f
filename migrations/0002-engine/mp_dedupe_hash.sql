-- The hash by which a shape finds tasks: of the values of its fields, in their order.
create function mp_dedupe_hash(p_shape integer, p_fields text[], p_metadata jsonb) returns bigint language sql immutable as $$
  select hashtextextended((select coalesce(jsonb_agg(p_metadata -> f order by n)::text, '[]') from unnest(p_fields) with ordinality x(f, n)), p_shape)
$$;
