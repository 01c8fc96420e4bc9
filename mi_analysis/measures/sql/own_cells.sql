-- One column per part, and how many facts found no partner.

create or replace temp table own_cells as
select unit, activity, grain, period_start, {columns}
from (
    select f.*, not f.is_ratio or p.unit is not null as is_paired
    from own_facts f
    left join own_pairs p using (part, unit, grain, period_start)
) told
group by unit, activity, grain, period_start;
