from django.db import migrations

from crm.naming import tokens

ROWS = 2_000
READ = """
SELECT id, display_name, remark, name_tokens FROM crm_member
WHERE id > %s AND purged_at IS NULL ORDER BY id LIMIT %s
"""
# One statement for a batch: its rows come as two arrays, the tokens joined by newlines.
WRITE = """
UPDATE crm_member SET name_tokens = string_to_array(given.tokens, E'\\n')
FROM unnest(%s::bigint[], %s::text[]) AS given (id, tokens)
WHERE crm_member.id = given.id
"""


def add_initials(apps, schema_editor):
    """A batch is a transaction of its own; what is right already stays as it is."""
    with schema_editor.connection.cursor() as cursor:
        last = 0
        while True:
            cursor.execute(READ, [last, ROWS])
            rows = cursor.fetchall()
            if not rows:
                return
            last = rows[-1][0]
            made = [(key, tokens(name, remark), old) for key, name, remark, old in rows]
            changed = [(key, new) for key, new, old in made if new != old]
            if changed:
                keys = [key for key, _new in changed]
                cursor.execute(WRITE, [keys, ["\n".join(new) for _key, new in changed]])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0018_members_in_the_order_of_the_list")]
    # Backwards they stay: nobody looks for them.
    operations = [migrations.RunPython(add_initials, migrations.RunPython.noop)]
