from django.db import migrations

# Per statement, not per row. What came and went is put into the row as it stands after
# the wait for its lock, so two transactions that tag one member at once lose nothing;
# rows are locked by member, so they never wait in a circle.
FORWARD = """
CREATE FUNCTION crm_tagset_add() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm_tagset AS held (member_id, tag_ids)
    SELECT member_id, array_agg(tag_id ORDER BY tag_id) FROM came
    GROUP BY member_id ORDER BY member_id
    ON CONFLICT (member_id) DO UPDATE SET tag_ids = ARRAY(
        SELECT unnest(held.tag_ids) UNION SELECT unnest(EXCLUDED.tag_ids) ORDER BY 1
    );
    RETURN NULL;
END $$;
CREATE FUNCTION crm_tagset_take() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM crm_tagset WHERE member_id IN (SELECT member_id FROM went)
    ORDER BY member_id FOR NO KEY UPDATE;
    UPDATE crm_tagset AS held SET tag_ids = ARRAY(
        SELECT unnest(held.tag_ids) EXCEPT SELECT unnest(gone.tag_ids) ORDER BY 1
    )
    FROM (SELECT member_id, array_agg(tag_id) AS tag_ids FROM went GROUP BY member_id) gone
    WHERE held.member_id = gone.member_id;
    RETURN NULL;
END $$;
CREATE FUNCTION crm_tagset_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM went FULL JOIN came USING (id, member_id, tag_id)
        WHERE went.set_at IS NULL OR came.set_at IS NULL
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM crm_tagset
    WHERE member_id IN (SELECT member_id FROM went UNION SELECT member_id FROM came)
    ORDER BY member_id FOR NO KEY UPDATE;
    UPDATE crm_tagset AS held SET tag_ids = ARRAY(
        SELECT unnest(held.tag_ids) EXCEPT SELECT unnest(gone.tag_ids) ORDER BY 1
    )
    FROM (SELECT member_id, array_agg(tag_id) AS tag_ids FROM went GROUP BY member_id) gone
    WHERE held.member_id = gone.member_id;
    INSERT INTO crm_tagset AS held (member_id, tag_ids)
    SELECT member_id, array_agg(tag_id ORDER BY tag_id) FROM came
    GROUP BY member_id ORDER BY member_id
    ON CONFLICT (member_id) DO UPDATE SET tag_ids = ARRAY(
        SELECT unnest(held.tag_ids) UNION SELECT unnest(EXCLUDED.tag_ids) ORDER BY 1
    );
    RETURN NULL;
END $$;
CREATE TRIGGER crm_tagset_add AFTER INSERT ON crm_membertag
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION crm_tagset_add();
CREATE TRIGGER crm_tagset_take AFTER DELETE ON crm_membertag
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION crm_tagset_take();
CREATE TRIGGER crm_tagset_move AFTER UPDATE ON crm_membertag
    REFERENCING OLD TABLE AS went NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION crm_tagset_move();
"""
BACKWARD = """
DROP TRIGGER crm_tagset_move ON crm_membertag;
DROP TRIGGER crm_tagset_take ON crm_membertag;
DROP TRIGGER crm_tagset_add ON crm_membertag;
DROP FUNCTION crm_tagset_move();
DROP FUNCTION crm_tagset_take();
DROP FUNCTION crm_tagset_add();
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0008_tags")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
