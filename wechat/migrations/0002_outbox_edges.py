from django.db import migrations

FORWARD = """
CREATE FUNCTION wechat_outbound_edge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
        ('planned', 'claimed'), ('planned', 'failed'),
        ('claimed', 'sending'), ('claimed', 'planned'), ('claimed', 'failed'),
        ('sending', 'sent'), ('sending', 'failed'), ('sending', 'planned'),
        ('sending', 'unknown'),
        ('unknown', 'sent'), ('unknown', 'failed'), ('unknown', 'planned')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'outbound message %: no way from % to %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER wechat_outbound_edge BEFORE UPDATE OF state ON wechat_outboundmessage
    FOR EACH ROW EXECUTE FUNCTION wechat_outbound_edge();
CREATE TRIGGER wechat_attempt_append_only BEFORE UPDATE OR DELETE ON wechat_attempt
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
"""
BACKWARD = """
DROP TRIGGER wechat_attempt_append_only ON wechat_attempt;
DROP TRIGGER wechat_outbound_edge ON wechat_outboundmessage;
DROP FUNCTION wechat_outbound_edge();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wechat", "0001_initial"),
        ("core", "0003_audit_is_append_only"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
