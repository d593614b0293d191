"""More ways: what is done goes on when a person has something sent again, and what the
platform took and then dropped has failed."""

from django.db import migrations

TOUCH = """
DROP TRIGGER campaigns_touch_edge ON campaigns_touch;
CREATE TRIGGER campaigns_touch_edge BEFORE UPDATE OF state ON campaigns_touch
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
        'draft>in_review', 'draft>cancelled',
        'in_review>draft', 'in_review>approved', 'in_review>cancelled',
        'approved>draft', 'approved>sending', 'approved>held', 'approved>cancelled',
        'held>sending', 'held>draft', 'held>cancelled', 'held>stopped', 'held>paused',
        'sending>paused', 'sending>held', 'sending>done', 'sending>stopped',
        'paused>sending', 'paused>stopped', 'paused>held'{more}
    )) EXECUTE FUNCTION campaigns_refuse_edge();
"""
RECIPIENT = """
DROP TRIGGER campaigns_recipient_edge ON campaigns_recipient;
CREATE TRIGGER campaigns_recipient_edge BEFORE UPDATE OF state ON campaigns_recipient
    FOR EACH ROW WHEN (
        OLD.state <> NEW.state AND OLD.state NOT IN ('waiting', 'unknown'){more}
        OR OLD.state = 'unknown' AND NEW.state = 'excluded'
    ) EXECUTE FUNCTION campaigns_refuse_edge();
"""
DROPPED = " AND (OLD.state, NEW.state) IS DISTINCT FROM ('accepted', 'failed')"


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_sending_and_testers")]
    operations = [
        migrations.RunSQL(TOUCH.format(more=", 'done>sending'"), TOUCH.format(more="")),
        migrations.RunSQL(RECIPIENT.format(more=DROPPED), RECIPIENT.format(more="")),
    ]
