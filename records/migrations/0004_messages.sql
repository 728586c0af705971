-- Bounces and digests.

alter table continuum.notice add column bounced_at timestamptz;
comment on column continuum.notice.bounced_at is
    'when a mail server told us, after it had taken the message, that it could not deliver it';

-- A bounce names the message; a digest is one message of several notices.
create index notice_message on continuum.notice (message_id) where message_id is not null;
-- Attempts that were cut off.
create index notice_sending on continuum.notice (tried_at) where status = 'sending';
-- What a journey may have to hear of.
create index notice_undelivered on continuum.notice (journey) where status in ('failed', 'uncertain');
