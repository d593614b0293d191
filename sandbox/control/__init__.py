"""The control API: how tests, rehearsals and the phone page move the world."""
