-- Cases under way from a day to a day, per unit of the structure (and every unit above it), activity, and age in days:
-- how many came under observation, were closed, and were still open at the end. What survival curves need, and no case.
-- A case received before the first day comes under observation at its age on the day before; any other on day -1.
-- A reopened case is open whatever its closing date says; one that closed before it was received is not counted.

with log as (
    select
        unit, coalesce(activity, '~') as activity, cast(received as date) as received,
        case when not coalesce(reopened, false) then cast(closed as date) end as closed, date '{first}' as first_day
    from cases
),
dated as (
    select
        *, closed is not null and closed <= date '{last}' as is_closed,
        least(coalesce(closed, date '{last}'), date '{last}') as ended
    from log
    where received <= date '{last}' and (closed is null or (closed >= received and closed >= date '{first}'))
),
under_way as (
    select
        unit, activity, is_closed, ended, greatest(days_from(received, first_day) - 1, -1) as entry,
        days_from(received, ended) as age
    from dated
),
placed as (
    select r.above as unit, c.activity, c.entry, c.age, c.is_closed
    from under_way c
    join reach r on r.unit = c.unit and r.share > 0.999999 and c.ended between r.valid_from and r.valid_to
),
ages as (
    select unit, activity, entry as day, 1 as entered, 0 as closed, 0 as still_open from placed
    union all
    select
        unit, activity, age, 0, case when is_closed then 1 else 0 end, case when is_closed then 0 else 1 end
    from placed
),
counted as (
    select unit, activity, day, sum(entered) as entered, sum(closed) as closed, sum(still_open) as still_open
    from ages
    group by unit, activity, day
)
select unit, activity, day, entered, closed, still_open from counted
union all
select unit, '*', day, sum(entered), sum(closed), sum(still_open) from counted group by unit, day
