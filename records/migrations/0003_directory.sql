-- The directory: people, team queues, absences, the on-call rota, and clinics with more about them. It takes the place
-- of `contact`. Nothing is deleted: who left stays, inactive, for the journal names people by id for as long as it is
-- kept. An empty `clinic` in a queue or a turn on call means every clinic without one of its own.
-- `begins_at` and `ends_at` are compared with care times, never with now().

alter table continuum.clinic
    add column quiet_from  time    not null default '20:00',
    add column quiet_until time    not null default '08:00',
    add column position    integer not null default 0,
    add column active      boolean not null default true;

update continuum.clinic c set position = o.n
from (select tenant, id, row_number() over (partition by tenant order by id) as n from continuum.clinic) o
where o.tenant = c.tenant and o.id = c.id;

create table continuum.person (
    tenant   text    not null,
    id       text    not null,
    name     text    not null,
    email    text,
    language text    not null default 'en',
    roles    jsonb   not null default '[]',
    active   boolean not null default true,
    primary key (tenant, id)
);

create table continuum.queue (
    tenant     text    not null,
    id         text    not null,
    clinic     text    not null default '',
    name       text    not null,
    mailbox    text    not null,
    supervisor text,
    members    jsonb   not null default '[]',
    active     boolean not null default true,
    primary key (tenant, id, clinic)
);

create table continuum.absence (
    tenant    text        not null,
    person    text        not null,
    begins_at timestamptz not null,
    ends_at   timestamptz,
    delegate  text,
    active    boolean     not null default true,
    primary key (tenant, person, begins_at),
    check (ends_at > begins_at)
);

create table continuum.on_call (
    tenant    text        not null,
    clinic    text        not null default '',
    person    text        not null,
    begins_at timestamptz not null,
    ends_at   timestamptz not null,
    active    boolean     not null default true,
    primary key (tenant, clinic, person, begins_at),
    check (ends_at > begins_at)
);

-- Who changed what, and when. Ids and names of fields only: this is read by people who need not see the values.
create table continuum.directory_change (
    id          bigint      generated always as identity primary key,
    tenant      text        not null,
    changed_by  text        not null,
    what        text        not null check (what in ('added', 'changed', 'removed')),
    part        text        not null,
    subject     text        not null,
    fields      jsonb       not null default '[]',
    recorded_at timestamptz not null default now()
);
create index directory_change_tenant on continuum.directory_change (tenant, id);

-- To whom a notice's audience came down when it was sent, and why to them.
alter table continuum.notice
    add column resolved_to  text,
    add column resolved_why text;

-- A site that is at work keeps its mailboxes. The lead supervises every queue until somebody says otherwise; who was
-- booked as a clinician, and each lead, is a person, with no address until somebody gives them one.
insert into continuum.person (tenant, id, name, email)
select tenant, substr(id, 8), name, email from continuum.contact where id ~ '^person:[a-z0-9][a-z0-9._-]{0,63}$';

insert into continuum.person (tenant, id, name)
select tenant, lead, lead from continuum.clinic
union
select tenant, clinician, clinician from continuum.visit where clinician ~ '^[a-z0-9][a-z0-9._-]{0,63}$'
on conflict (tenant, id) do nothing;

insert into continuum.queue (tenant, id, name, mailbox, supervisor)
select c.tenant, substr(c.id, 7), c.name, c.email,
       (select lead from continuum.clinic k where k.tenant = c.tenant order by k.position limit 1)
from continuum.contact c where c.id ~ '^queue:[a-z0-9][a-z0-9_.]{0,63}$';

drop table continuum.contact;
