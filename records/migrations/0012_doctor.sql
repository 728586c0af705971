-- What a restore needs: each open journey as it stands, what has left since a backup, and what was put right.

-- An open journey as it stands after its last decision, compressed JSON (`care/keeping.py`): from it the journey goes on
-- where Temporal lost it, or is older than the record. `base` is what rarely changes.
create table continuum.journey_state (
    journey     text        primary key,
    tenant      text        not null,
    seq         integer     not null,
    state       bytea       not null,
    base        bytea,
    recorded_at timestamptz not null default now()
);
alter table continuum.journey_state alter column state set storage external, alter column base set storage external;

-- This record is a copy that was taken at one time and came into use at a later one. Whether it is known what left the
-- house in between.
create table continuum.restored (
    id          bigint      generated always as identity primary key,
    taken_at    timestamptz not null,
    restored_at timestamptz not null default now(),
    sent_known  boolean     not null
);

-- What left the house after the copy was taken (`channels/sent_log.py`).
create table continuum.sent_before (
    notice     text        not null,
    digest     text        not null, -- of what it said and to whom; empty: not known
    outcome    text        not null check (outcome in ('sent', 'uncertain')),
    message_id text        not null,
    at         timestamptz not null,
    primary key (notice, digest)
);

-- What the doctor did. Append-only.
create table continuum.repair (
    id          bigint      generated always as identity primary key,
    tenant      text        not null,
    journey     text,
    kind        text        not null,
    detail      text        not null,
    done        text        not null,
    recorded_at timestamptz not null default now()
);
create index repair_journey on continuum.repair (journey);

-- Under one number a journey may say one thing before a restore and another after it; the second needs a name of its own.
alter table continuum.notice add column series integer not null default 0;

create function continuum.notice_digest(recipient text, template text, facts jsonb) returns text
language sql immutable parallel safe
as $$ select md5(jsonb_build_array(recipient, template, facts)::text) $$;

-- A notice that is written again after a restore is not sent again. Alarms are: better two than none. `continuum.rewriting`
-- is set by whoever writes anew, from Temporal's histories, decisions that this record lost.
create function continuum.notice_after_restore() returns trigger
language plpgsql
set search_path = continuum, pg_catalog
as $$
declare
    until timestamptz;
    known boolean;
    before record;
begin
    if coalesce(current_setting('continuum.rewriting', true), '') = 'on' then
        until := now();
        known := false;
    else
        select r.restored_at, r.sent_known into until, known from restored r order by r.id desc limit 1;
        if until is null then
            return new;
        end if;
    end if;
    select s.outcome, s.message_id into before from sent_before s
    where s.notice = new.id and s.digest in ('', notice_digest(new.recipient, new.template, new.facts));
    if found then
        new.status := before.outcome;
        new.message_id := before.message_id;
        new.reason := 'left before the restore';
    elsif exists (select from sent_before s where s.notice = new.id) then
        new.series := 1;
    elsif not known and new.send_after <= until then
        new.status := 'uncertain';
        new.reason := 'may have left before the restore';
    end if;
    return new;
end
$$;
create trigger notice_restored before insert on continuum.notice
    for each row execute function continuum.notice_after_restore();
