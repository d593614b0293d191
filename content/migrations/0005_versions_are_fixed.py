from django.db import migrations

# What was shown to a reviewer can't change afterwards, a decision is final, and nobody
# approves their own words, whatever code asks for it.
FORWARD = """
CREATE FUNCTION content_version_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'draft' THEN
            RAISE EXCEPTION 'content_version: only a draft may be deleted'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.state = 'approved' AND (NEW.approved_by_id = NEW.created_by_id
            OR NEW.approved_by_id = ANY(NEW.author_ids)) THEN
        RAISE EXCEPTION 'content_version: an author may not approve'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        RETURN NEW;
    END IF;
    IF (NEW.item_id, NEW.number, NEW.created_by_id, NEW.created_at)
            IS DISTINCT FROM (OLD.item_id, OLD.number, OLD.created_by_id, OLD.created_at)
        OR (OLD.state <> 'draft' AND
            (NEW.headline, NEW.summary, NEW.byline, NEW.body, NEW.source_url,
             NEW.picture_id, NEW.digest, NEW.author_ids, NEW.submitted_by_id,
             NEW.submitted_at)
            IS DISTINCT FROM
            (OLD.headline, OLD.summary, OLD.byline, OLD.body, OLD.source_url,
             OLD.picture_id, OLD.digest, OLD.author_ids, OLD.submitted_by_id,
             OLD.submitted_at)) THEN
        RAISE EXCEPTION 'content_version: what was submitted does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state <> OLD.state AND NOT (
            (OLD.state = 'draft' AND NEW.state = 'in_review')
            OR (OLD.state = 'in_review'
                AND NEW.state IN ('approved', 'returned', 'withdrawn'))) THEN
        RAISE EXCEPTION 'content_version: % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state IN ('approved', 'returned', 'withdrawn')
        AND (NEW.approved_by_id, NEW.approved_at, NEW.returned_by_id, NEW.returned_at,
             NEW.review_note)
            IS DISTINCT FROM
            (OLD.approved_by_id, OLD.approved_at, OLD.returned_by_id, OLD.returned_at,
             OLD.review_note) THEN
        RAISE EXCEPTION 'content_version: a decision is final'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER content_version_fixed BEFORE INSERT OR UPDATE OR DELETE ON content_version
    FOR EACH ROW EXECUTE FUNCTION content_version_fixed();
CREATE FUNCTION content_slot_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'planned' AND (NEW.state, NEW.version_id, NEW.account_id,
            NEW.publish_at)
        IS DISTINCT FROM (OLD.state, OLD.version_id, OLD.account_id, OLD.publish_at) THEN
        RAISE EXCEPTION 'content_slot: what was published or cancelled stays so'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER content_slot_fixed BEFORE UPDATE ON content_slot
    FOR EACH ROW EXECUTE FUNCTION content_slot_fixed();
"""
BACKWARD = """
DROP TRIGGER content_slot_fixed ON content_slot;
DROP FUNCTION content_slot_fixed();
DROP TRIGGER content_version_fixed ON content_version;
DROP FUNCTION content_version_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("content", "0004_items_and_slots")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
