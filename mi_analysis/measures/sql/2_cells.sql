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

-- What the levels of unit cost add (definitions, section 10): direct costs beside pay, indirect costs, and general
-- overhead: its account group, or a posting without activity whose own FL-formål starts with 9.
create or replace temp table ledger_cells as
select
    unit, coalesce(activity, '~') as activity, grain, period_start, sum(amount) as actual,
    sum(case when account_group = 'pay' then amount else 0 end) as actual_pay,
    sum(case when account_group not in ('pay', 'income') then amount else 0 end) as actual_other,
    sum(case when account_group = 'income' then amount else 0 end) as actual_income,
    sum(case when account_group = 'other' and not is_overhead then amount else 0 end) as direct_cost,
    sum(case when account_group = 'indirect' and not is_overhead then amount else 0 end) as indirect_cost,
    sum(case when is_overhead then amount else 0 end) as overhead_cost
from (
    select
        unit, activity, grain, period_start, amount, coalesce(account_group, 'other') as account_group,
        coalesce(account_group = 'overhead' or (coalesce(account_group, 'other') not in ('pay', 'income') and coalesce(activity, '~') = '~' and purpose like '9%'), false) as is_overhead
    from ledger
) postings
group by unit, coalesce(activity, '~'), grain, period_start;
