-- Hours and money per unit as delivered, activity and period. Rows without an activity stand on "~".

create or replace temp table hour_cells as
select
    unit, coalesce(h.activity, '~') as activity, grain, period_start, sum(hours) as registered_hours,
    sum(overtime_hours) as activity_overtime_hours, sum(auto_rows) as auto_rows, sum(rows) as hour_rows,
    sum(draft_hours) as draft_hours,
    sum(case when p.activity is not null then hours else 0 end) as direct_hours
from hours h
left join professional p on p.activity = h.activity
group by unit, coalesce(h.activity, '~'), grain, period_start;

-- Direct costs beside pay are what unit cost level A adds: not income, not indirect costs or overhead.
create or replace temp table ledger_cells as
select
    unit, coalesce(activity, '~') as activity, grain, period_start, sum(amount) as actual,
    sum(case when account_group = 'pay' then amount else 0 end) as actual_pay,
    sum(case when coalesce(account_group, 'other') not in ('pay', 'income') then amount else 0 end) as actual_other,
    sum(case when account_group = 'income' then amount else 0 end) as actual_income,
    sum(case when coalesce(account_group, 'other') = 'other' then amount else 0 end) as direct_cost
from ledger
group by unit, coalesce(activity, '~'), grain, period_start;
