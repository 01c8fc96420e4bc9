-- What is stored: every measure with the reason where it has no plain value, and what was delivered of each window's months.

create or replace temp view measured as
select unit, activity, period_start, grain, span as "window", {values}, {told}
from base;

-- A unit is estimated where a part of it was shared with another.
create or replace temp view coverage as
select g.unit, g.period_start, g.grain, g.span, expected, {delivered}, e.unit is not null as estimated
from grid g
left join (
    select distinct r.above as unit, w.slot
    from reach r
    join units u on u.unit = r.unit
    join windows w on coalesce(u.valid_to, date '9999-12-31') >= w.first_day
    where r.share < 0.999999 and r.share > 0
) e using (unit, slot)
where activity = '*';
