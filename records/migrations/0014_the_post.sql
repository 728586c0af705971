-- Messages leave by a loop beside the worker.

-- A message for later: when its time has come, in care time, it is decided whether it leaves (`care/steps/messages.py`).
alter table continuum.notice add column waits boolean not null default false;
update continuum.notice set waits = true where status = 'queued' and not digest and send_after > now();
create index notice_to_leave on continuum.notice (recorded_at) where status = 'queued' and not digest and not waits;
create index notice_tried on continuum.notice (tried_at) where status = 'queued' and not digest and attempts > 0;
create index reply_to_write on continuum.reply (recorded_at) where status = 'queued';

-- How far a journey's own clock is ahead of the machine's. Only a demo and tests, which move it, write here.
create table continuum.moved_clock (
    journey  text        primary key,
    ahead    interval    not null,
    moved_at timestamptz not null default now()
);

-- One decision, one statement. Rows that are already there must be the same rows: then this is a repeat and nothing
-- happens; where they differ everything is undone.
create or replace function continuum.commit_decision(d jsonb) returns integer
language plpgsql
set search_path = continuum, pg_catalog
as $$
declare
    odd integer;
begin
    insert into journal (journey, seq, tenant, clinic, stage, kind, text, at, person, role, on_behalf_of, pathway,
                         rule, rule_version, inputs, outcome, data, action_id, action_digest, note, hash)
    select d->>'journey', e.seq, d->>'tenant', d->>'clinic', e.stage, e.kind, e.text, e.at, e.actor->>'person',
           e.actor->>'role', e.actor->>'on_behalf_of', e.pathway, e.decided->>'rule', (e.decided->>'version')::int,
           e.decided->'inputs', e.decided->'outcome', coalesce(e.data, '{}'), e.action_id, e.action_digest, e.note,
           e.hash
    from jsonb_to_recordset(d->'entries') as e(seq int, stage text, kind text, text text, at timestamptz, actor jsonb,
         pathway text, decided jsonb, data jsonb, action_id text, action_digest text, note text, hash text)
    on conflict (journey, seq) do nothing;

    select count(*) into odd
    from jsonb_to_recordset(d->'entries') as e(seq int, hash text)
    left join journal j on j.journey = d->>'journey' and j.seq = e.seq
    where j.hash is distinct from e.hash;
    if odd > 0 then
        raise exception using errcode = 'CN001', message = 'the journal holds another decision under this number';
    end if;

    insert into journey as j (id, tenant, clinic, stage, status, outcome, pathway, priority, waiting_on, next_due_at,
                              overdue, seq, at, last_state)
    select d->>'journey', d->>'tenant', d->>'clinic', d->>'stage', d->>'status', d->>'outcome', d->>'pathway',
           d->>'priority', d->>'waiting_on', (d->>'next_due')::timestamptz, (d->>'overdue')::boolean,
           (d->>'seq')::int, (d->>'at')::timestamptz, nullif(d->'last_state', 'null')
    on conflict (id) do update set clinic = excluded.clinic, stage = excluded.stage, status = excluded.status,
        outcome = excluded.outcome, pathway = excluded.pathway, priority = excluded.priority,
        waiting_on = excluded.waiting_on, next_due_at = excluded.next_due_at, overdue = excluded.overdue,
        seq = excluded.seq, at = excluded.at, recorded_at = now(),
        -- A row written after it closed (a message that did not arrive) leaves what was kept of it alone.
        last_state = case when excluded.status = 'closed' then coalesce(excluded.last_state, j.last_state) end
    where j.seq <= excluded.seq;

    insert into plan as p (id, journey, tenant, discipline, status, visits_planned, visits_attended, certify_by,
                           certified_at, started_at, body, seq)
    select x->>'id', d->>'journey', d->>'tenant', x->>'discipline', x->>'status',
           (x->'visits_planned'->>'value')::numeric::int, (x->>'visits_attended')::int,
           (x->>'certify_by')::timestamptz, (x->>'certified_at')::timestamptz, (x->>'started_at')::timestamptz,
           x, (d->>'seq')::int
    from jsonb_array_elements(d->'plans') as x
    on conflict (id) do update set status = excluded.status, visits_planned = excluded.visits_planned,
        visits_attended = excluded.visits_attended, certify_by = excluded.certify_by,
        certified_at = excluded.certified_at, body = excluded.body, seq = excluded.seq
    where p.seq <= excluded.seq;

    insert into visit as v (id, journey, tenant, clinic, plan, clinician, starts_at, ends_at, status, reason, seq)
    select x.id, d->>'journey', d->>'tenant', d->>'clinic', x.plan, x.clinician, x.starts_at, x.ends_at, x.status,
           x.reason, (d->>'seq')::int
    from jsonb_to_recordset(d->'visits') as x(id text, plan text, clinician text, starts_at timestamptz,
         ends_at timestamptz, status text, reason text)
    on conflict (id) do update set status = excluded.status, reason = excluded.reason, seq = excluded.seq
    where v.seq <= excluded.seq;

    insert into score as s (id, journey, tenant, plan, measure, value, at, in_error, seq)
    select x.id, d->>'journey', d->>'tenant', x.plan, x.measure, x.value, x.at, x.in_error, (d->>'seq')::int
    from jsonb_to_recordset(d->'scores') as x(id text, plan text, measure text, value jsonb, at timestamptz,
         in_error boolean)
    on conflict (id) do update set in_error = excluded.in_error, seq = excluded.seq where s.seq <= excluded.seq;

    insert into task as t (id, journey, tenant, clinic, kind, subject, label, owner, queue, opened_at, due_at, rung,
                           acknowledged_by, quiet_until, settled_at, outcome, seq)
    select x.id, d->>'journey', d->>'tenant', d->>'clinic', x.kind, x.subject, x.label, x.owner, x.queue, x.opened_at,
           x.due, x.rung, x.acknowledged_by, x.quiet_until, x.settled_at, x.outcome, (d->>'seq')::int
    from jsonb_to_recordset(d->'tasks') as x(id text, kind text, subject text, label text, owner text, queue text,
         opened_at timestamptz, due timestamptz, rung int, acknowledged_by text, quiet_until timestamptz,
         settled_at timestamptz, outcome text)
    on conflict (id) do update set owner = excluded.owner, due_at = excluded.due_at, rung = excluded.rung,
        acknowledged_by = excluded.acknowledged_by, quiet_until = excluded.quiet_until, settled_at = excluded.settled_at, outcome = excluded.outcome, seq = excluded.seq
    where t.seq <= excluded.seq;

    if (d->>'stop_messages')::boolean then
        update notice set status = 'stopped', reason = 'the journey ended'
        where journey = d->>'journey' and status = 'queued';
    end if;

    insert into notice (id, journey, tenant, recipient, template, facts, send_after, escalation, digest, waits, hash)
    select x.id, d->>'journey', d->>'tenant', x."to", x.template, x.facts, x.send_after, x.escalation, x.digest,
           x.send_after > (d->>'at')::timestamptz, x.hash
    from jsonb_to_recordset(d->'notices') as x(id text, "to" text, template text, facts jsonb,
         send_after timestamptz, escalation text, digest boolean, hash text)
    on conflict (id) do nothing;

    update notice n set status = 'stopped', reason = x.reason
    from jsonb_to_recordset(d->'stopped') as x(id text, reason text)
    where n.id = x.id and n.journey = d->>'journey' and n.status = 'queued';

    insert into reply (id, journey, tenant, task_status, business_status, reason, visits_done, visits_planned, at, hash)
    select x.id, d->>'journey', d->>'tenant', x.status, x.business_status, x.reason, x.visits_done, x.visits_planned,
           x.at, x.hash
    from jsonb_to_recordset(d->'replies') as x(id text, status text, business_status text, reason text,
         visits_done int, visits_planned int, at timestamptz, hash text)
    on conflict (id) do nothing;

    return (d->>'seq')::int;
end
$$;
