-- Template: staff figures in the structure and per window, and how many of the units that deliver a
-- figure did so. A unit is expected from its first figure to its last day (or its last figure).

create or replace temp table reporters as
select f.unit, f.grain, greatest(max(m.last_month), coalesce(max(u.last_month), 0)) as until, {firsts}
from staff_facts f
join members m using (grain, period_start)
left join (
    select unit, max(coalesce(extract(year from valid_to) * 12 + extract(month from valid_to) - 1, 120000)) as last_month
    from units
    group by unit
) u on u.unit = f.unit
group by f.unit, f.grain;

create or replace temp table staff_up as
select
    r.above as unit, m.grain, m.period_start, max(m.months) as months,
    case when max(case when f.withheld and o.unit is not null then 1 else 0 end) = 1 then true else false end as withheld,
    {placed}
from reporters e
join members m on m.grain = e.grain
join reach r on r.unit = e.unit and m.period_start between r.valid_from and r.valid_to
left join own o on o.unit = e.unit and o.above = r.above
left join staff_facts f on f.unit = e.unit and f.grain = m.grain and f.period_start = m.period_start
group by r.above, m.grain, m.period_start;

create or replace temp table staff_windows as
select
    u.unit, s.slot, min(u.fte) as smallest_fte,
    case when max(case when u.withheld then 1 else 0 end) = 1 then true else false end as withheld, {aggregated}
from staff_up u
join spans s on s.member_grain = u.grain and s.member_start = u.period_start
group by u.unit, s.slot;
