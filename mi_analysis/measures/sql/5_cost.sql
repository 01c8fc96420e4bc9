-- Unit cost at three levels (definitions, section 10). A: a unit's pay spread over its activities by registered
-- hours, plus direct costs. B: and the unit's indirect costs, spread alike where they have no activity. C: and
-- general overhead: what stands on overhead activities at level B, and overhead postings, spread over all other
-- activities of the institution by registered hours.
-- What no hours can carry (zero or negative driver) stays where it stands, "~" or the overhead activity, so that
-- the sum over activities is always what is spread: at A and B of each unit, at C of the institution.

create or replace temp table drivers as
select unit, slot, sum(registered_hours) as hours
from own_windows
where activity <> '*'
group by unit, slot
having sum(registered_hours) > 0 and min(registered_hours) >= 0;

create or replace temp table pools as -- a unit's costs that its hours carry
select p.unit, p.slot, sum(p.pay) as pay, sum(p.indirect) as indirect, max(d.hours) as hours
from (
    select unit, slot, actual_pay as pay, 0 as indirect from own_windows where activity = '*' and actual_pay is not null
    union all
    select unit, slot, 0, indirect_cost from own_windows where activity = '~' and indirect_cost is not null
) p
left join drivers d using (unit, slot)
group by p.unit, p.slot;

create or replace temp table carried as
select unit, activity, slot, sum(direct) as direct, sum(direct) + sum(indirect) as with_indirect
from (
    select
        h.unit, h.activity, h.slot, p.pay * h.registered_hours / p.hours as direct,
        p.indirect * h.registered_hours / p.hours as indirect
    from own_windows h
    join pools p using (unit, slot)
    where h.activity <> '*' and h.registered_hours is not null and p.hours is not null
    union all
    select unit, '~', slot, pay, indirect from pools where hours is null
    union all
    select unit, activity, slot, direct_cost, case when activity <> '~' then indirect_cost else 0 end
    from own_windows
    where activity <> '*' and direct_cost is not null
) costs
group by unit, activity, slot;

create or replace temp table overhead as -- what all other activities carry, and by how many hours
select p.slot, p.amount, d.hours
from (
    select slot, sum(amount) as amount
    from (
        select c.slot, c.with_indirect as amount from carried c join overhead_activities using (activity)
        union all
        select slot, overhead_cost from own_windows where activity = '*' and overhead_cost is not null
    ) parts
    group by slot
) p
left join (
    select h.slot, sum(h.registered_hours) as hours
    from own_windows h
    join drivers using (unit, slot)
    left join overhead_activities o using (activity)
    where h.activity <> '*' and o.activity is null
    group by h.slot
    having sum(h.registered_hours) > 0
) d using (slot);

create or replace temp table cost_windows as
with levels as (
    select
        c.unit, c.activity, c.slot, c.direct, c.with_indirect,
        case when a.activity is null or o.hours is null then c.with_indirect else 0 end as full_cost
    from carried c
    left join overhead_activities a using (activity)
    left join overhead o using (slot)
    union all
    select h.unit, h.activity, h.slot, 0, 0, o.amount * h.registered_hours / o.hours
    from own_windows h
    join drivers using (unit, slot)
    join overhead o using (slot)
    left join overhead_activities a using (activity)
    where h.activity <> '*' and a.activity is null and h.registered_hours is not null and o.hours is not null
    union all
    select w.unit, '~', w.slot, 0, 0, w.overhead_cost
    from own_windows w
    join overhead o using (slot)
    where w.activity = '*' and w.overhead_cost is not null and o.hours is null
),
placed as (
    select
        t.above as unit, c.activity, c.slot, sum(c.direct) as allocated_cost,
        sum(c.with_indirect) as allocated_cost_incl_indirect, sum(c.full_cost) as allocated_cost_full
    from levels c
    join place_tree t on t.unit = c.unit
    group by t.above, c.activity, c.slot
)
select * from placed
union all
select unit, '*', slot, sum(allocated_cost), sum(allocated_cost_incl_indirect), sum(allocated_cost_full)
from placed
group by unit, slot;

create or replace temp table undriven as
select
    t.above as unit, p.slot, sum(abs(p.pay)) as pay, sum(abs(p.indirect)) as indirect,
    sum(case when p.hours is null then abs(p.pay) else 0 end) as undriven_pay,
    sum(case when p.hours is null then abs(p.indirect) else 0 end) as undriven_indirect
from pools p
join place_tree t on t.unit = p.unit
group by t.above, p.slot;
