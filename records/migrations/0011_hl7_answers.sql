-- What became of a referral, told by HL7 v2 to the system that sent it so.

-- Where a client takes our messages, `host:port`. An operator says so: it is no address that others name.
alter table continuum.client
    add column hl7_answers     text,
    add column hl7_answers_tls boolean not null default true;

create table continuum.hl7_answer (
    reply       text primary key references continuum.reply (id),
    tenant      text        not null,
    client      text        not null,
    journey     text        not null,
    at          timestamptz not null,
    status      text        not null default 'pending' check (status in ('pending', 'sent', 'dead', 'nothing')),
    kind        text,       -- RRI^I12, OSU^O51, SIU^S12, ...
    reason      text,
    attempts    integer     not null default 0,
    due_at      timestamptz not null default now(),
    settled_at  timestamptz,
    recorded_at timestamptz not null default now()
);
create index hl7_answer_due on continuum.hl7_answer (client, at) where status = 'pending';
create index hl7_answer_dead on continuum.hl7_answer (tenant, at) where status = 'dead';

-- One row for each answer that is ready, in the statement that makes it so.
create function continuum.answer_by_hl7() returns trigger
language plpgsql
set search_path = continuum, pg_catalog
as $$
begin
    insert into hl7_answer (reply, tenant, client, journey, at)
    select new.id, new.tenant, c.id, new.journey, new.at
    from referral r
    join inbound i on i.id = r.inbound and i.protocol = 'hl7v2'
    join client c on c.tenant = r.tenant and r.sender = 'client:' || c.id and c.active and c.hl7_answers is not null
    where r.journey = new.journey
    on conflict (reply) do nothing;
    return null;
end
$$;
create trigger reply_answered_by_hl7 after update of status on continuum.reply
    for each row when (old.status = 'queued' and new.status = 'ready') execute function continuum.answer_by_hl7();
