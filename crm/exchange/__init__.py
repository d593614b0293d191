"""Files of members, tags and orders on their way in and out.

In: `files` finds out how a file is to be read, `reading` gives its rows with the line
each begins on, `fields` knows what a column may be, `values` reads one cell, the loaders
(`member_rows`, `tag_rows`, crm.orders_loading) decide and write a chunk set-wise, and
`running` drives them as a job. Out: `exports` keeps who may have what and for how long,
`sheets` writes the file.
"""
