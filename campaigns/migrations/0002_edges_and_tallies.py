"""Only the allowed changes of state, and counts that are right in every transaction."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION campaigns_refuse_edge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% %: no way from % to %', TG_TABLE_NAME, OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;

-- The conditions stand in WHEN: the function runs only to refuse.
CREATE TRIGGER campaigns_touch_edge BEFORE UPDATE OF state ON campaigns_touch
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
        'draft>in_review', 'draft>cancelled',
        'in_review>draft', 'in_review>approved', 'in_review>cancelled',
        'approved>draft', 'approved>sending', 'approved>held', 'approved>cancelled',
        'held>sending', 'held>draft', 'held>cancelled', 'held>stopped', 'held>paused',
        'sending>paused', 'sending>held', 'sending>done', 'sending>stopped',
        'paused>sending', 'paused>stopped', 'paused>held'
    )) EXECUTE FUNCTION campaigns_refuse_edge();

CREATE TRIGGER campaigns_recipient_edge BEFORE UPDATE OF state ON campaigns_recipient
    FOR EACH ROW WHEN (
        OLD.state <> NEW.state AND OLD.state NOT IN ('waiting', 'unknown')
        OR OLD.state = 'unknown' AND NEW.state = 'excluded'
    ) EXECUTE FUNCTION campaigns_refuse_edge();

CREATE FUNCTION campaigns_tally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO campaigns_touchtally (touch_id, state, reason, delta)
        SELECT touch_id, state, reason, count(*) FROM new_rows GROUP BY 1, 2, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO campaigns_touchtally (touch_id, state, reason, delta)
        SELECT touch_id, state, reason, -count(*) FROM old_rows GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO campaigns_touchtally (touch_id, state, reason, delta)
        SELECT touch_id, state, reason, sum(change) FROM (
            SELECT touch_id, state, reason, 1 AS change FROM new_rows
            UNION ALL
            SELECT touch_id, state, reason, -1 FROM old_rows
        ) AS changes
        GROUP BY 1, 2, 3 HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER campaigns_recipient_inserted AFTER INSERT ON campaigns_recipient
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION campaigns_tally();
CREATE TRIGGER campaigns_recipient_updated AFTER UPDATE ON campaigns_recipient
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION campaigns_tally();
CREATE TRIGGER campaigns_recipient_deleted AFTER DELETE ON campaigns_recipient
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION campaigns_tally();
"""
BACKWARD = """
DROP TRIGGER campaigns_recipient_deleted ON campaigns_recipient;
DROP TRIGGER campaigns_recipient_updated ON campaigns_recipient;
DROP TRIGGER campaigns_recipient_inserted ON campaigns_recipient;
DROP FUNCTION campaigns_tally();
DROP TRIGGER campaigns_recipient_edge ON campaigns_recipient;
DROP TRIGGER campaigns_touch_edge ON campaigns_touch;
DROP FUNCTION campaigns_refuse_edge();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
