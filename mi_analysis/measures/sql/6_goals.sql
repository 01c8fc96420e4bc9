-- Goals judged one by one, in the units of today, and weighted per unit, activity and window
-- (definitions, section 11). Status is judged by comparing result and target, never on a rounded degree.
-- A band's lower edge is its baseline, its upper edge the target. A target that is not positive gives no
-- degree, only a status, which then weighs as 0 or 1.

create or replace temp table judged as
with assessed as (
    select
        g.*, m.first_month, m.last_month, coalesce(g.weight, 1) as points,
        coalesce(g.state, '') not in ('not_assessed', 'missing', 'withheld')
            and (case when direction = 'milestone' then coalesce(result, case when result_date is not null then 1 end)
                else result end) is not null
            and (direction in ('milestone', 'yes_no', 'share_of_milestones') or target is not null) as is_assessed,
        case when direction = 'share_of_milestones' then coalesce(target, 1) else target end as goal_target
    from goals g
    join members m using (grain, period_start)
),
compared as (
    select
        *,
        case
            when not is_assessed then null
            when direction in ('higher', 'share_of_milestones') then result >= goal_target
            when direction = 'lower' then result <= target
            when direction = 'band' then result <= target and result >= coalesce(baseline, result)
            when direction = 'milestone' and result_date is not null and target_date is not null
                then result_date <= target_date
            else coalesce(result, 1) >= 1
        end as met,
        case
            when not is_assessed then null
            when direction in ('higher', 'lower') and baseline <> target then (result - baseline) / (target - baseline)
            when direction in ('higher', 'share_of_milestones') and goal_target > 0 then result / goal_target
            when direction = 'lower' and target > 0 and result > 0 then target / result
            when direction = 'band' and result between coalesce(baseline, result) and target then 1
            when direction = 'band' and result > target and target > 0 then target / result
            when direction = 'band' and result < baseline and result > 0 then result / baseline
            when direction = 'milestone' and result_date is not null and target_date is not null
                then case when result_date <= target_date then 1 else 0 end
            when direction in ('milestone', 'yes_no') then coalesce(result, 1)
        end as degree
    from assessed
)
select
    *, case when met then 1 when met is null then null else least(1, greatest(0, coalesce(degree, 0))) end as degree_capped,
    case
        when met is null then 'not_assessed' when met then 'met' when degree >= partly_limit then 'partly' else 'not_met'
    end as status
from compared;

create or replace temp table goal_rows as
select
    j.goal, j.name, coalesce(o.above, j.unit) as unit, j.unit as delivered_unit, coalesce(j.activity, '~') as activity,
    j.period_start, j.grain, j.direction, j.target, j.result, j.target_date, j.result_date, j.baseline, j.partly_limit,
    j.goal_unit, j.weight, j.points, j.degree, j.degree_capped, j.status, j.met is not null as is_assessed,
    j.first_month, j.last_month
from judged j
left join own o on o.unit = j.unit and o.share > 0.999999;

-- A unit that has no goals of its own stands with those of the units below it.
create or replace temp table goal_windows as
with scoped as (
    select g.*, t.above
    from goal_rows g
    join tree t on t.unit = g.unit and g.period_start between t.valid_from and t.valid_to
    where t.above = g.unit or t.above not in (select unit from goal_rows where unit is not null)
),
latest as (
    select
        g.above as unit, g.activity, w.slot, g.points, g.degree_capped, g.is_assessed,
        row_number() over (
            partition by w.slot, g.above, g.delivered_unit, g.goal, g.activity
            order by case when g.is_assessed then 1 else 0 end desc, g.last_month desc, g.first_month desc
        ) as place
    from scoped g
    join windows w
        on g.last_month between w.first_month and w.last_month
        and (w.span <> 'month' or g.first_month >= w.first_month)
),
per_activity as (
    select
        unit, activity, slot, sum(points) as goal_weight_all,
        sum(case when is_assessed then points else 0 end) as goal_weight,
        sum(case when is_assessed then points * degree_capped else 0 end) as goal_points
    from latest
    where place = 1
    group by unit, activity, slot
)
select * from per_activity
union all
select unit, '*', slot, sum(goal_weight_all), sum(goal_weight), sum(goal_points)
from per_activity
group by unit, slot;
