-- The budget valid at a period: the latest version (GB first, then by name) that covers the period's last
-- month, or the last month of an earlier fiscal year. Versions are never mixed within a fiscal year.
-- Versions named forecast (or forecast 2025-03: made on the figures of that month) are the units' own forecasts.

create or replace temp table budget_versions as
with versions as (
    select distinct m.fiscal_year, m.first_month, m.last_month, coalesce(b.version, '') as version
    from budget b
    join members m using (grain, period_start)
    where lower(coalesce(b.version, '')) not like 'forecast%'
),
wanted as (
    select distinct
        r.last_month as row_month, v.fiscal_year,
        case when v.fiscal_year = r.fiscal_year then r.last_month else v.fiscal_year * 12 + {fiscal_start} + 10 end as month
    from reporting r
    join versions v on v.fiscal_year <= r.fiscal_year
),
ranked as (
    select
        w.row_month, w.fiscal_year, v.version,
        row_number() over (
            partition by w.row_month, w.fiscal_year
            order by case when v.version in ('GB', '') then 0 else 1 end desc, bytewise(v.version) desc
        ) as place
    from wanted w
    join versions v on v.fiscal_year = w.fiscal_year and w.month between v.first_month and v.last_month
)
select row_month, fiscal_year, version from ranked where place = 1;

create or replace temp table budget_up as
with placed as (
    select
        r.above as unit, coalesce(b.activity, '~') as activity, b.grain, b.period_start,
        coalesce(b.version, '') as version, sum(b.amount * r.share) as amount
    from budget b
    join reach r on r.unit = b.unit and b.period_start between r.valid_from and r.valid_to
    group by r.above, coalesce(b.activity, '~'), b.grain, b.period_start, coalesce(b.version, '')
)
select p.*, m.fiscal_year, m.first_month, m.last_month
from (
    select * from placed
    union all
    select unit, '*', grain, period_start, version, sum(amount) from placed group by unit, grain, period_start, version
) p
join members m using (grain, period_start);

create or replace temp table budget_windows as
select b.unit, b.activity, s.slot, sum(b.amount) as budget
from budget_up b
join spans s on s.member_grain = b.grain and s.member_start = b.period_start
join budget_versions v on v.row_month = s.row_month and v.fiscal_year = b.fiscal_year and v.version = b.version
group by b.unit, b.activity, s.slot;

create or replace temp table budget_months as
select s.slot, sum(b.last_month - b.first_month + 1) as months
from (select distinct grain, period_start, version, fiscal_year, first_month, last_month from budget_up) b
join spans s on s.member_grain = b.grain and s.member_start = b.period_start
join budget_versions v on v.row_month = s.row_month and v.fiscal_year = b.fiscal_year and v.version = b.version
group by s.slot;

-- The fiscal year's whole budget and what lies after the period; an annual figure has no remaining part.
create or replace temp table budget_years as
select
    b.unit, b.activity, r.grain, r.period_start, sum(b.amount) as budget_year,
    case
        when sum(case when b.first_month <= r.last_month and b.last_month > r.last_month then 1 else 0 end) = 0
        then sum(case when b.first_month > r.last_month then b.amount else 0 end)
    end as budget_rest
from budget_up b
join reporting r on r.fiscal_year = b.fiscal_year
join budget_versions v on v.row_month = r.last_month and v.fiscal_year = b.fiscal_year and v.version = b.version
group by b.unit, b.activity, r.grain, r.period_start;

-- The newest own forecast that was made by then, where it covers the whole fiscal year.
create or replace temp table own_forecasts as
with versions as (
    select fiscal_year, version, sum(last_month - first_month + 1) as months
    from (select distinct fiscal_year, version, first_month, last_month from budget_up) delivered
    where lower(version) like 'forecast%'
    group by fiscal_year, version
),
newest as (
    select
        r.grain, r.period_start, v.fiscal_year, v.version,
        row_number() over (partition by r.grain, r.period_start order by bytewise(lower(v.version)) desc) as place
    from reporting r
    join versions v on v.fiscal_year = r.fiscal_year and v.months = 12
    where bytewise(lower(v.version)) <= 'forecast ' || r.end_month
)
select b.unit, b.activity, n.grain, n.period_start, sum(b.amount) as forecast_own
from newest n
join budget_up b on b.fiscal_year = n.fiscal_year and b.version = n.version
where n.place = 1
group by b.unit, b.activity, n.grain, n.period_start;
