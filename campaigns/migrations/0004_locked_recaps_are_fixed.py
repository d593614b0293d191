"""What a locked recap says never changes; only its learnings do."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION campaigns_recap_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'campaigns_recap %: locked', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER campaigns_recap_fixed
    BEFORE UPDATE OF campaign_id, number, figures, as_of, locked_at, locked_by_id
    ON campaigns_recap FOR EACH ROW WHEN (
        OLD.locked_at IS NOT NULL AND
        (OLD.campaign_id, OLD.number, OLD.figures, OLD.as_of, OLD.locked_at,
         OLD.locked_by_id) IS DISTINCT FROM
        (NEW.campaign_id, NEW.number, NEW.figures, NEW.as_of, NEW.locked_at,
         NEW.locked_by_id)
    ) EXECUTE FUNCTION campaigns_recap_fixed();
CREATE TRIGGER campaigns_recap_kept BEFORE DELETE ON campaigns_recap
    FOR EACH ROW WHEN (OLD.locked_at IS NOT NULL)
    EXECUTE FUNCTION campaigns_recap_fixed();
"""
BACKWARD = """
DROP TRIGGER campaigns_recap_kept ON campaigns_recap;
DROP TRIGGER campaigns_recap_fixed ON campaigns_recap;
DROP FUNCTION campaigns_recap_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0003_timeline_readers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
