-- Template: the cells of {cells} in the structure (each unit and every unit above it, flows of a
-- split unit by share), with the total over activities ("*"), added up over each window.

create or replace temp table placed as
select r.above as unit, c.activity, c.grain, c.period_start, {shared}
from ({cells}) c
join {reach} r on r.unit = c.unit and c.period_start between r.valid_from and r.valid_to
group by r.above, c.activity, c.grain, c.period_start;

create or replace temp table {windows} as
with totalled as (
    select * from placed
    union all
    select unit, '*', grain, period_start, {summed} from placed group by unit, grain, period_start
)
select c.unit, c.activity, s.slot, {windowed}
from totalled c
join spans s on s.member_grain = c.grain and s.member_start = c.period_start
group by c.unit, c.activity, s.slot;
