-- What disclosure control judges a unit's figures by; never released. Over a window the fewest persons count.
-- The largest part of one person: over the last 12 months and over a year at most the mean of the months' largest
-- parts, weighted by what was shared (the same person need not be largest every month); over shorter windows the
-- largest of its months, so that no month can be found by subtracting. Both hide more than the exact part would.

create or replace temp table guards as
with shares as ( -- a spell is a person's: fewer than {fewest} persons with one hide it as one person would
    select
        unit, grain, period_start, domain, persons, value,
        case when domain in ('spells', 'long_spells') and persons < {fewest} then 1 else largest_person_share end as share
    from persons
),
parts as (
    select
        p.unit, s.slot, p.domain, min(p.persons) as persons, max(p.share) as largest,
        sum(p.share * p.value) / nullif(sum(case when p.share is not null then p.value end), 0) as bound
    from shares p
    join spans s on s.member_grain = p.grain and s.member_start = p.period_start
    group by p.unit, s.slot, p.domain
),
judged as (
    select
        g.unit, g.slot, g.period_start, g.grain, g.span, p.domain, p.persons,
        case when g.span = 'r12' or g.grain = 'year' then coalesce(p.bound, p.largest) else p.largest end as share
    from grid g
    left join parts p using (unit, slot)
    where g.activity = '*'
)
select
    j.unit, j.period_start, j.grain, j.span,
    coalesce(
        min(case when domain = 'staff' then persons end), min(case when domain = 'hours' then persons end),
        greatest(min(case when domain = 'sick' then persons end), min(case when domain = 'overtime' then persons end))
    ) as persons,
    min(f.smallest_fte) as fte,
    max(case when domain = 'sick' then share end) as sick_largest_share,
    max(case when domain = 'child_sick' then share end) as child_sick_largest_share,
    max(case when domain = 'injury' then share end) as injury_largest_share,
    max(case when domain = 'overtime' then share end) as overtime_largest_share,
    max(case when domain = 'spells' then share end) as spells_largest_share,
    max(case when domain = 'long_spells' then share end) as long_spells_largest_share,
    coalesce(bool_or(f.withheld), false) as withheld
from judged j
left join staff_windows f using (unit, slot)
group by j.unit, j.period_start, j.grain, j.span;
