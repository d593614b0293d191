"""Only the allowed changes of state, and what was sent stays what it was."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION wechat_batch_refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'mass-send batch %: % to % is not allowed', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER wechat_batch_edge BEFORE UPDATE OF state ON wechat_outboundbatch
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
        'planned>claimed', 'planned>failed',
        'claimed>sending', 'claimed>planned', 'claimed>failed',
        'sending>sent', 'sending>failed', 'sending>planned', 'sending>unknown',
        'sent>failed', 'unknown>sent', 'unknown>failed'
    )) EXECUTE FUNCTION wechat_batch_refused();
-- The request is made again as long as its answer is open: it must stay identical.
CREATE TRIGGER wechat_batch_frozen
    BEFORE UPDATE OF openids, openids_sha256, request, clientmsgid, kind, size
    ON wechat_outboundbatch
    FOR EACH ROW WHEN (
        OLD.state = 'sending' AND OLD.first_called_at IS NOT NULL
        AND (OLD.openids, OLD.openids_sha256, OLD.request, OLD.clientmsgid, OLD.kind,
             OLD.size)
        IS DISTINCT FROM
            (NEW.openids, NEW.openids_sha256, NEW.request, NEW.clientmsgid, NEW.kind,
             NEW.size)
    ) EXECUTE FUNCTION wechat_batch_refused();
CREATE TRIGGER wechat_batch_attempt_append_only BEFORE UPDATE OR DELETE
    ON wechat_batchattempt FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
"""
BACKWARD = """
DROP TRIGGER wechat_batch_attempt_append_only ON wechat_batchattempt;
DROP TRIGGER wechat_batch_frozen ON wechat_outboundbatch;
DROP TRIGGER wechat_batch_edge ON wechat_outboundbatch;
DROP FUNCTION wechat_batch_refused();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wechat", "0007_runs_and_mass_calls"),
        ("core", "0003_audit_is_append_only"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
