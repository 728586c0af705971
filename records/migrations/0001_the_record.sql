-- The record of care. Everything carries its tenant from the first migration on; the journal also carries clinic,
-- actor, role, rule and pathway version. Care times (`at`, `due_at`, `starts_at`) are given by the journey and are
-- never compared with now(); `recorded_at` is the wall clock of this server.

create schema continuum;

-- What came in, as raw bytes: no library round-trips FHIR exactly.
create table continuum.inbound (
    id            uuid primary key default gen_random_uuid(),
    tenant        text        not null,
    source        text        not null,
    transport_key text        not null,
    sha256        text        not null,
    raw           bytea       not null,
    media_type    text        not null,
    outcome       text        not null check (outcome in ('accepted', 'duplicate', 'amendment', 'refused')),
    journey       text,
    reason        text,
    path          text,
    recorded_at   timestamptz not null default now()
);
create index inbound_journey on continuum.inbound (journey);
create index inbound_key on continuum.inbound (tenant, source, transport_key);

create table continuum.patient (
    id           uuid primary key default gen_random_uuid(),
    tenant       text not null,
    identifiers  jsonb not null default '[]',
    family       text,
    given        text,
    birth_date   text,
    gender       text,
    phone        text,
    email        text,
    languages    jsonb not null default '[]',
    recorded_at  timestamptz not null default now()
);

-- One referral, one journey: whoever inserts the row first starts it, a race has one winner.
create table continuum.referral (
    journey       text primary key,
    tenant        text        not null,
    source        text        not null,
    referral_id   text        not null,
    sha256        text        not null,
    inbound       uuid        not null references continuum.inbound (id) deferrable initially deferred,
    patient       uuid references continuum.patient (id),
    patient_reference text,
    requester     jsonb       not null default '{}',
    requester_email text,
    texts         jsonb       not null default '[]',
    codes         jsonb       not null default '[]',
    facts         jsonb       not null,
    received_at   timestamptz not null,
    started_at    timestamptz,
    start_attempts int        not null default 0,
    unique (tenant, source, referral_id)
);
create index referral_to_start on continuum.referral (received_at) where started_at is null;

create table continuum.journey (
    id          text primary key,
    tenant      text        not null,
    clinic      text        not null,
    stage       text        not null,
    status      text        not null,
    outcome     text,
    pathway     text,
    priority    text,
    waiting_on  text        not null,
    next_due_at timestamptz,
    overdue     boolean     not null,
    seq         integer     not null,
    at          timestamptz not null,
    recorded_at timestamptz not null default now()
);

-- Append-only: the application may insert and read, never change or delete.
create table continuum.journal (
    journey       text        not null,
    seq           integer     not null check (seq > 0),
    tenant        text        not null,
    clinic        text        not null,
    stage         text        not null,
    kind          text        not null,
    text          text        not null,
    at            timestamptz not null,
    person        text        not null,
    role          text        not null,
    on_behalf_of  text,
    pathway       text,
    rule          text,
    rule_version  integer,
    inputs        jsonb,
    outcome       jsonb,
    data          jsonb       not null default '{}',
    action_id     text,
    action_digest text,
    note          text,
    hash          text        not null,
    recorded_at   timestamptz not null default now(),
    primary key (journey, seq),
    unique (journey, action_id)
);

-- Free text written by staff: it never enters Temporal, an action carries its id.
create table continuum.note (
    id          text primary key,
    tenant      text        not null,
    journey     text        not null,
    author      text        not null,
    body        text        not null,
    recorded_at timestamptz not null default now()
);

create table continuum.plan (
    id         text primary key,
    journey    text    not null,
    tenant     text    not null,
    discipline text    not null,
    status     text    not null,
    visits_planned  integer not null,
    visits_attended integer not null,
    certify_by   timestamptz,
    certified_at timestamptz,
    started_at timestamptz not null,
    body       jsonb   not null,
    seq        integer not null
);
create index plan_journey on continuum.plan (journey);

create table continuum.visit (
    id        text primary key,
    journey   text        not null,
    tenant    text        not null,
    clinic    text        not null,
    plan      text,
    clinician text        not null,
    starts_at timestamptz not null,
    ends_at   timestamptz not null check (ends_at > starts_at),
    status    text        not null,
    reason    text,
    seq       integer     not null,
    -- One clinician, one patient at a time. Core PostgreSQL has no gist operator for text equality and the
    -- btree_gist extension is not everywhere, so equality is that of a 64-bit hash as a one-point range: two
    -- clinicians of one hash would at worst refuse a slot that is free.
    constraint visit_not_double_booked exclude using gist (
        int8range(hashtextextended(tenant || '/' || clinician, 0), hashtextextended(tenant || '/' || clinician, 0), '[]') with &&,
        tstzrange(starts_at, ends_at) with &&
    ) where (status = 'booked')
);
create index visit_journey on continuum.visit (journey);

create table continuum.score (
    id       text primary key,
    journey  text        not null,
    tenant   text        not null,
    plan     text,
    measure  text        not null,
    value    jsonb       not null,
    at       timestamptz not null,
    in_error boolean     not null,
    seq      integer     not null
);
create index score_journey on continuum.score (journey, measure, at);

create table continuum.task (
    id         text primary key,
    journey    text        not null,
    tenant     text        not null,
    clinic     text        not null,
    kind       text        not null,
    subject    text        not null,
    label      text        not null,
    owner      text        not null,
    opened_at  timestamptz not null,
    due_at     timestamptz not null,
    rung       integer     not null,
    settled_at timestamptz,
    outcome    text,
    seq        integer     not null
);
create index task_open on continuum.task (tenant, due_at) where settled_at is null;
create index task_journey on continuum.task (journey);

-- A row before the send. `sending` means that an attempt began and nobody knows yet how it ended.
create table continuum.notice (
    id          text primary key,
    journey     text        not null,
    tenant      text        not null,
    recipient   text        not null,
    template    text        not null,
    facts       jsonb       not null,
    send_after  timestamptz not null,
    status      text        not null default 'queued'
                check (status in ('queued', 'sending', 'sent', 'failed', 'uncertain', 'stopped')),
    message_id  text,
    channel     text,
    attempts    integer     not null default 0,
    reason      text,
    hash        text        not null,
    tried_at    timestamptz,
    recorded_at timestamptz not null default now()
);
create index notice_journey on continuum.notice (journey);

-- What the referrer's system is told, as a message with a status.
create table continuum.reply (
    id              text primary key,
    journey         text        not null,
    tenant          text        not null,
    task_status     text        not null,
    business_status text,
    reason          text,
    visits_done     integer,
    visits_planned  integer,
    at              timestamptz not null,
    status          text        not null default 'queued' check (status in ('queued', 'ready')),
    message         jsonb,
    hash            text        not null,
    recorded_at     timestamptz not null default now()
);
create index reply_journey on continuum.reply (journey);

create table continuum.document (
    id          text primary key,
    journey     text        not null,
    tenant      text        not null,
    kind        text        not null,
    body        text        not null,
    pdf         bytea       not null,
    recorded_at timestamptz not null default now()
);

-- Who stands behind a queue or a person's id.
create table continuum.contact (
    tenant text not null,
    id     text not null,
    name   text not null,
    email  text not null,
    primary key (tenant, id)
);

create table continuum.clinic (
    tenant    text not null,
    id        text not null,
    name      text not null,
    lead      text not null,
    timezone  text not null,
    country   text not null,
    subdivision text,
    week      jsonb not null,
    overrides jsonb not null default '{}',
    primary key (tenant, id)
);

-- One decision, one statement. Rows that are already there must be the same rows: then this is a repeat and nothing
-- happens; where they differ everything is undone.
create function continuum.commit_decision(d jsonb) returns integer
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
                              overdue, seq, at)
    select d->>'journey', d->>'tenant', d->>'clinic', d->>'stage', d->>'status', d->>'outcome', d->>'pathway',
           d->>'priority', d->>'waiting_on', (d->>'next_due')::timestamptz, (d->>'overdue')::boolean,
           (d->>'seq')::int, (d->>'at')::timestamptz
    on conflict (id) do update set clinic = excluded.clinic, stage = excluded.stage, status = excluded.status,
        outcome = excluded.outcome, pathway = excluded.pathway, priority = excluded.priority,
        waiting_on = excluded.waiting_on, next_due_at = excluded.next_due_at, overdue = excluded.overdue,
        seq = excluded.seq, at = excluded.at, recorded_at = now()
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

    insert into task as t (id, journey, tenant, clinic, kind, subject, label, owner, opened_at, due_at, rung,
                           settled_at, outcome, seq)
    select x.id, d->>'journey', d->>'tenant', d->>'clinic', x.kind, x.subject, x.label, x.owner, x.opened_at, x.due,
           x.rung, x.settled_at, x.outcome, (d->>'seq')::int
    from jsonb_to_recordset(d->'tasks') as x(id text, kind text, subject text, label text, owner text,
         opened_at timestamptz, due timestamptz, rung int, settled_at timestamptz, outcome text)
    on conflict (id) do update set owner = excluded.owner, due_at = excluded.due_at, rung = excluded.rung,
        settled_at = excluded.settled_at, outcome = excluded.outcome, seq = excluded.seq
    where t.seq <= excluded.seq;

    if (d->>'stop_messages')::boolean then
        update notice set status = 'stopped', reason = 'the journey ended'
        where journey = d->>'journey' and status = 'queued';
    end if;

    insert into notice (id, journey, tenant, recipient, template, facts, send_after, hash)
    select x.id, d->>'journey', d->>'tenant', x."to", x.template, x.facts, x.send_after, x.hash
    from jsonb_to_recordset(d->'notices') as x(id text, "to" text, template text, facts jsonb,
         send_after timestamptz, hash text)
    on conflict (id) do nothing;

    insert into reply (id, journey, tenant, task_status, business_status, reason, visits_done, visits_planned, at, hash)
    select x.id, d->>'journey', d->>'tenant', x.status, x.business_status, x.reason, x.visits_done, x.visits_planned,
           x.at, x.hash
    from jsonb_to_recordset(d->'replies') as x(id text, status text, business_status text, reason text,
         visits_done int, visits_planned int, at timestamptz, hash text)
    on conflict (id) do nothing;

    return (d->>'seq')::int;
end
$$;
