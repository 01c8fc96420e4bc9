-- Unit cost, level A (definitions, section 10): a unit's pay spread over its activities by registered hours,
-- plus direct costs. Where no hours can carry it (zero or negative driver) the pay stays on "~", so that
-- the sum over activities is always the unit's pay and direct costs.

create or replace temp table pay as
select l.unit, l.slot, l.actual_pay, d.hours
from own_windows l
left join (
    select unit, slot, sum(registered_hours) as hours
    from own_windows
    where activity <> '*'
    group by unit, slot
    having sum(registered_hours) > 0 and min(registered_hours) >= 0
) d using (unit, slot)
where l.activity = '*' and l.actual_pay is not null;

create or replace temp table cost_windows as
with costs as (
    select
        h.unit, h.activity, h.slot, p.actual_pay * h.registered_hours / p.hours as cost
    from own_windows h
    join pay p using (unit, slot)
    where h.activity <> '*' and h.registered_hours is not null and p.hours is not null
    union all
    select unit, '~', slot, actual_pay from pay where hours is null
    union all
    select unit, activity, slot, direct_cost from own_windows where activity <> '*' and direct_cost is not null
),
placed as (
    select t.above as unit, c.activity, c.slot, sum(c.cost) as cost
    from costs c
    join tree t on t.unit = c.unit
    group by t.above, c.activity, c.slot
)
select unit, activity, slot, cost as allocated_cost from placed
union all
select unit, '*', slot, sum(cost) from placed group by unit, slot;

create or replace temp table undriven as
select
    t.above as unit, p.slot, sum(abs(p.actual_pay)) as pay,
    sum(case when p.hours is null then abs(p.actual_pay) else 0 end) as undriven
from pay p
join tree t on t.unit = p.unit
group by t.above, p.slot;
