-- Cases become counts per unit as delivered, activity and month, and the stock as it was at each month's end.
-- Months are numbered year * 12 + month - 1. A reopened case is open whatever its closing date says.

create or replace temp table case_log as
select
    unit, activity, reopened, in_time, kept, deadline_day, received_day,
    days_from(received_day, closed_day) as days,
    days_from(informed_day, closed_day) as net_days,
    extract(year from received_day) * 12 + extract(month from received_day) - 1 as received_month,
    extract(year from closed_day) * 12 + extract(month from closed_day) - 1 as closed_month,
    extract(year from deadline_day) * 12 + extract(month from deadline_day) - 1 as due_month
from (
    select
        unit, coalesce(activity, '~') as activity, coalesce(reopened, false) as reopened, kept,
        cast(received as date) as received_day,
        cast(informed as date) as informed_day,
        case when not coalesce(reopened, false) then cast(closed as date) end as closed_day,
        cast(deadline as date) as deadline_day,
        case -- a deadline without a time of day lasts the whole day
            when coalesce(reopened, false) or closed is null or deadline is null then false
            when deadline = cast(cast(deadline as date) as timestamp) then cast(closed as date) <= cast(deadline as date)
            else closed <= deadline
        end as in_time
    from cases
) dated
where received_day <= date '{as_of}';

-- Flows of a month: cases by the month they were received, closed and due in.
-- "Received and kept" counts all received of the activities that have a promise (a flag or a deadline).
-- "Closed of the planned" counts units and activities with a plan: what progress is measured on.
create or replace temp table case_cells as
with promised as (
    select distinct activity from case_log where kept is not null or deadline_day is not null
),
flows as (
    select
        unit, c.activity, received_month as month, count(*) as received, 0 as closed, 0 as timed, 0 as case_days,
        0 as closed_due, 0 as closed_kept, 0 as due, 0 as due_kept,
        sum(case when p.activity is not null then 1 else 0 end) as received_judged,
        sum(case when coalesce(kept, in_time) then 1 else 0 end) as received_kept
    from case_log c
    left join promised p on p.activity = c.activity
    group by unit, c.activity, received_month
    union all
    select
        unit, activity, closed_month, 0, count(*), sum(case when days >= 0 then 1 else 0 end),
        sum(case when days >= 0 then days else 0 end), count(deadline_day),
        sum(case when deadline_day is not null and in_time then 1 else 0 end), 0, 0, 0, 0
    from case_log
    where closed_month is not null
    group by unit, activity, closed_month
    union all
    select unit, activity, due_month, 0, 0, 0, 0, 0, 0, count(*), sum(case when in_time then 1 else 0 end), 0, 0
    from case_log
    where due_month is not null
    group by unit, activity, due_month
),
counted as (
    select
        unit, activity, r.grain, r.period_start, sum(received) as received, sum(closed) as closed, sum(timed) as timed,
        sum(case_days) as case_days, sum(closed_due) as closed_due, sum(closed_kept) as closed_kept, sum(due) as due,
        sum(due_kept) as due_kept, sum(received_judged) as received_judged, sum(received_kept) as received_kept
    from flows
    join reporting r on r.grain = 'month' and r.first_month = flows.month
    group by unit, activity, r.grain, r.period_start
    union all
    select -- counts delivered where there are no cases
        unit, activity, grain, period_start,
        sum(case when name = 'received' then value end), sum(case when name = 'closed' then value end), null, null,
        case when count(case when name = 'closed_in_time' then 1 end) > 0 then sum(case when name = 'closed' then value end) end,
        sum(case when name = 'closed_in_time' then value end), null, null, null, null
    from counts
    where name in ('received', 'closed', 'closed_in_time')
    group by unit, activity, grain, period_start
)
select b.*, case when p.unit is not null then b.closed end as closed_planned
from counted b
left join (select distinct unit, activity from counts where name = 'planned') p using (unit, activity);

create or replace temp table planned_cells as
select unit, activity, grain, period_start, sum(value) as planned
from counts
where name = 'planned'
group by unit, activity, grain, period_start;

-- Month ends at which a case received in one month and closed in another was open: joined by equality.
create or replace temp table open_months as
select since.first_month as since, until.month as until, ending.period_start, ending.period_end
from reporting since
join (select first_month as month from reporting where grain = 'month' union select {last} + 1) until
    on until.month > since.first_month
join reporting ending
    on ending.grain = 'month' and ending.first_month >= since.first_month and ending.first_month < until.month
where since.grain = 'month';

create or replace temp table open_cells as
with lasting as (
    select
        unit, activity, received_day, deadline_day, reopened,
        greatest(received_month, {first}) as since, least(coalesce(closed_month, {last} + 1), {last} + 1) as until
    from case_log
),
ageing as (
    select
        unit, activity, period_start, reopened, days_from(received_day, period_end) as age,
        case when deadline_day < period_end then 1 else 0 end as overdue
    from lasting
    join open_months using (since, until)
    where lasting.until > lasting.since
)
select
    unit, activity, 'month' as grain, period_start, count(*) as open_cases, sum(age) as open_age,
    sum(case when age <= 30 then 1 else 0 end) as open_0_30,
    sum(case when age between 31 and 60 then 1 else 0 end) as open_31_60,
    sum(case when age between 61 and 90 then 1 else 0 end) as open_61_90,
    sum(case when age between 91 and 180 then 1 else 0 end) as open_91_180,
    sum(case when age between 181 and 365 then 1 else 0 end) as open_181_365,
    sum(case when age > 365 then 1 else 0 end) as open_over_365,
    sum(overdue) as overdue, sum(case when reopened then 1 else 0 end) as reopened
from ageing
group by unit, activity, period_start
union all
select unit, activity, grain, period_start, sum(value), null, null, null, null, null, null, null, null, null
from counts
where name = 'stock'
group by unit, activity, grain, period_start;
